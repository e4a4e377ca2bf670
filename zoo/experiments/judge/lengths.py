"""How models do on longer documents of their task than they were trained on."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

import scipy  # its parts are imported when they are first used

from zoo.config import Frozen
from zoo.experiments.judge.family import FEWEST_SEEDS
from zoo.experiments.records.lengths import LengthScore
from zoo.experiments.records.run import Run


class LengthPoint(Frozen):
    """One model on documents of one length, means over the seeds.

    Intervals are t intervals over new seeds, cut off at 0 and 1; None with too few seeds.
    """

    factor: int
    length: int
    accuracy: float | None = None
    """Share of scored tokens that are right; None if the model cannot take the length."""
    low: float | None = None
    high: float | None = None
    answers: float | None = None
    """Share of documents with no mistake."""
    loss: float | None = None
    floor: float | None = None
    why: str = ""
    """Why a run cannot take the length; "" if all can."""


class Lengths(Frozen):
    """One model on documents of its training length, and on longer ones."""

    label: str
    points: tuple[LengthPoint, ...]


def summarise_lengths(
    label: str, runs: Sequence[Run], lengths: Mapping[str, Sequence[LengthScore]], names: Sequence[str], level: float
) -> Lengths | None:
    """Summarise the runs of a model; None if longer documents were asked of no run.

    A run that did not finish has no score, which is why its model has none.

    Args:
        lengths: path of a run -> its scores.
        names: paths of the model's runs.
        level: error of an interval.
    """
    task = runs[0].recorded.data.task
    if task is None:
        return None
    columns = [[_at_training_length(run, task.length) for run in runs]]
    found = [{score.factor: score for score in lengths.get(name, ())} for name in names]
    for factor, length in sorted({(score.factor, score.length) for own in lengths.values() for score in own}):
        missing = [
            LengthScore(factor=factor, length=length, why=f"seed {run.recorded.run.seed} {run.result.status}")
            if run.result.status != "finished"
            else LengthScore(factor=factor, length=length, why=f"seed {run.recorded.run.seed} was not scored")
            for run in runs
        ]
        columns.append([own.get(factor, lack) for own, lack in zip(found, missing, strict=True)])
    return Lengths(label=label, points=tuple(_summarise(own, level) for own in columns))


def _at_training_length(run: Run, length: int) -> LengthScore:
    result = run.result
    floor = run.recorded.data.floor.get("test")
    return LengthScore.model_construct(
        factor=1,
        length=length,
        loss=result.test_loss,
        accuracy=result.accuracy,
        answers=result.answers,
        floor=floor,
        why="",
    )


def _summarise(scores: Sequence[LengthScore], level: float) -> LengthPoint:
    """Summarise the scores of all seeds at one length."""
    first = scores[0]
    known = [score.accuracy for score in scores if score.accuracy is not None]
    if len(known) < len(scores):
        why = next((score.why for score in scores if score.why), "a run did not finish")
        return LengthPoint(factor=first.factor, length=first.length, why=why)
    mean, low, high = fmean(known), None, None
    if len(known) >= FEWEST_SEEDS:
        reach = float(scipy.special.stdtrit(len(known) - 1, 1 - level / 2)) * stdev(known) / len(known) ** 0.5
        low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    return LengthPoint(
        factor=first.factor, length=first.length, accuracy=mean, low=low, high=high, floor=first.floor,
        answers=fmean(score.answers or 0.0 for score in scores), loss=fmean(score.loss or 0.0 for score in scores),
    )  # fmt: skip
