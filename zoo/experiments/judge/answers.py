"""What a model answers right on a task, and under how many seeds it solves it."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

from zoo.experiments.judge.exact import share_interval
from zoo.experiments.judge.rows import Answers, Spread
from zoo.experiments.judge.solved import Goal, parse_goal
from zoo.experiments.records.run import Run

JUDGED = ("finished", "diverged")
"""Status of runs that solve a task or not: a diverged one does not."""


def summarise_answers(runs: Sequence[Run], level: float) -> Answers | None:
    """Summarise the answers of a model's runs, one per seed; None for text.

    Args:
        level: error of the interval of the share of seeds.
    """
    data = runs[0].recorded.data
    if not data.has_answers:
        return None
    accuracy, whole = (_spread([getattr(run.result, name) for run in runs]) for name in ("accuracy", "answers"))
    if data.task is None:
        return Answers(accuracy=accuracy, whole=whole)
    goal = parse_goal(data.task.goal)
    judged = [run for run in runs if run.result.status in JUDGED]
    solved = sum(solves(run, goal) for run in judged)
    low, high = share_interval(solved, len(judged), level) if judged else (None, None)
    return Answers(
        accuracy=accuracy, whole=whole, goal=str(goal), solved=solved, seeds=len(judged), low=low, high=high,
        averaged=_average(runs),
    )  # fmt: skip


def solves(run: Run, goal: Goal) -> bool:
    """Return whether a run meets the goal of its task."""
    score = _MEASURES[goal.measure](run)
    return score is not None and goal.is_met(score)


def _excess(run: Run) -> float | None:
    loss, floor = run.result.test_loss, run.recorded.data.floor.get("test")
    return None if loss is None or floor is None else loss - floor


_MEASURES: Mapping[str, Callable[[Run], float | None]] = {
    "answers": lambda run: run.result.answers,
    "accuracy": lambda run: run.result.accuracy,
    "excess": _excess,
}


def _average(runs: Sequence[Run]) -> float | None:
    """Mean loss over the positions of published figures, which ask for blanks where nothing is scored here."""
    data = runs[0].recorded.data
    losses = [run.result.test_loss for run in runs]
    if not data.task or not data.task.averaged or None in losses:
        return None
    share = data.targets["test"] / (data.task.documents * data.task.averaged)
    return fmean(loss for loss in losses if loss is not None) * share


def _spread(shares: Sequence[float | None]) -> Spread | None:
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    return Spread(mean=fmean(known), sd=stdev(known) if len(known) > 1 else None)
