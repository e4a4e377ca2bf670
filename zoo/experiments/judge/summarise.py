"""From the records of runs to a `Comparison`: nothing is trained or evaluated here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.config import TrainingConfig
from zoo.errors import RunError
from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.comparison import Band, Comparison, Interval, ModelRow, PairRow, RunRow, Spread, Used
from zoo.experiments.judge.overlap import overlap_inflation
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.uncertainty import Units
from zoo.experiments.records.run import Result, Run, read_losses
from zoo.experiments.records.study import Cost, StudyRecord
from zoo.experiments.study.config import StudyConfig

UNLIKE = "The runs of the comparison do not have the same seeds and the same test documents."


def summarise(path: Path, record: StudyRecord) -> Comparison:
    """The comparison whose record stands in `path`.

    Raises:
        RunError: one of its runs is not there, or damaged.
    """
    runs = record.read_runs(path.parent)
    trials = record.read_trials(path.parent)
    labels = list(dict.fromkeys(run.label for run in runs))
    by_label = {label: [run for run in runs if run.label == label] for label in labels}
    sound = [label for label in labels if all(run.result.test_loss is not None for run in by_label[label])]
    units: Units = "series" if runs[0].recorded.data.is_stream else "documents"
    splits = _by_split(by_label[labels[0]]).values()
    several = len(splits) > 1
    inflation = overlap_inflation([own[0].recorded.data.targets for own in splits]) if several else None
    analysis = _analyse({label: by_label[label] for label in sound}, record.study.splits, units, inflation)
    rows = [_row(label, by_label[label], [t for t in trials if t.label == label], record, analysis) for label in labels]
    rows.sort(key=lambda row: (row.refused, row.diverged, row.test.mean if row.test else float("inf")))
    pairs = _pairs(analysis, [row.label for row in rows])
    return Comparison(
        study=record.study,
        folder=path.parent.name,
        record=path.name,
        data=runs[0].recorded.data,
        environments=tuple(dict.fromkeys(run.environment for run in runs)),
        looked=record.looked,
        verdict=verdict_sentence(rows, pairs, looked=record.looked),
        method=analysis.method if analysis else "",
        reason=analysis.reason if analysis else "",
        correlation=analysis.correlation if analysis else None,
        inflation=inflation,
        caveats=analysis.caveats if analysis else (),
        models=tuple(rows),
        pairs=tuple(pairs),
        runs=tuple(_run_row(run, path.parent, several=several) for run in runs),
    )


def _analyse(runs: Mapping[str, Sequence[Run]], splits: int, units: Units, inflation: float | None) -> Analysis | None:
    """The statistics of the models that finished in every run; None where there is none."""
    if not runs:
        return None
    scored = [list(_by_split(own).values()) for own in runs.values()]  # model, split, seed
    if len({tuple(map(len, own)) for own in scored}) > 1 or {len(own) for own in scored} != {splits}:
        raise RunError(UNLIKE)
    blocks = [_block(models) for models in zip(*scored, strict=True)]
    if inflation is None:
        return analyse(list(runs), *blocks[0], units=units)
    nats = np.stack([nats.sum(axis=2) for nats, _ in blocks], axis=2)  # (K, n, R): a split takes a document's place
    return analyse(list(runs), nats, [tokens.sum() for _, tokens in blocks], inflation=inflation)


def _block(models: Sequence[Sequence[Run]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of the runs on one split, every document's nats (K, n, D), and its tokens (D,)."""
    losses = [[read_losses(run.directory, "test") for run in own] for own in models]
    seeds = {tuple(run.recorded.run.seed for run in own) for own in models}
    documents = {tokens.tobytes() for own in losses for _, tokens in own}
    if len(seeds) > 1 or len(documents) > 1:
        raise RunError(UNLIKE)
    return np.array([[nats for nats, _ in own] for own in losses]), losses[0][0][1]


def _by_split(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Rotation -> the runs of that split."""
    return {
        rotation: [run for run in runs if run.recorded.run.data.rotation == rotation]
        for rotation in dict.fromkeys(run.recorded.run.data.rotation for run in runs)
    }


def _by_seed(runs: Sequence[Run]) -> dict[int, list[Run]]:
    seeds = dict.fromkeys(run.recorded.run.seed for run in runs)
    return {seed: [run for run in runs if run.recorded.run.seed == seed] for seed in seeds}


def _row(
    label: str, runs: Sequence[Run], trials: Sequence[Run], record: StudyRecord, analysis: Analysis | None
) -> ModelRow:
    first, results, seeds, splits = runs[0], [run.result for run in runs], _by_seed(runs), _by_split(runs)
    diverged = sum(result.status == "diverged" for result in results)
    refused = [result for result in results if result.status == "refused"]
    test = None
    if analysis and label in analysis.estimates:
        spread = _spread(runs, "test")
        test = Interval(**asdict(analysis.estimates[label]), sd=spread.sd if spread else None)
    floor = _floor(splits.values())
    cost, matched, used = record.costs.get(label), record.matched.get(label), _used(runs)
    lr = first.recorded.settings["lr"]
    tried = {trial.recorded.settings["lr"]: trial.result.validation_loss for trial in trials}
    return ModelRow(
        label=label,
        model=str(first.recorded.run.model),
        context=first.recorded.run.context,
        letters=analysis.letters.get(label, "") if analysis else "",
        seeds=len(seeds),
        diverged=diverged,
        untrained=sum(result.status == "finished" and result.best_step == 0 for result in results),
        losses={seed: _mean(own, "test") for seed, own in seeds.items()},
        split_losses={number: _mean(own, "test") for number, own in enumerate(splits.values(), 1)}
        if len(splits) > 1
        else None,
        test=test,
        validation=_spread(runs, "validation"),
        train=_spread(runs, "train"),
        floor=floor,
        above_floor=test.mean - floor if test and floor is not None else None,
        parameters=first.result.parameters,
        buffers=max((result.buffers for result in results if result.buffers is not None), default=None),
        receptive_field=first.result.receptive_field,
        off_size=matched.deviation if matched else None,
        used=used,
        off_budget=0.0 if diverged else _off_budget(record.study.training, used),
        tokens_per_second=_speed(results, cost),
        lr=lr,
        lr_from=_lr_from(record.study),
        lr_trials={repr(rate): loss for rate, loss in tried.items()},
        lr_at_edge=bool(tried) and lr in (min(tried), max(tried)),
        published=next((model.published for model in record.study.models if model.label == label), None),
        cost=cost,
        curve=() if refused else _band(runs),
        samples=record.samples.get(label, ()),
        refused=len(refused),
        reason=refused[0].reason if refused else None,
    )


def _mean(runs: Sequence[Run], split: str) -> float | None:
    """Loss over the runs, each weighted by its targets: of one split their mean; None where one of them has none."""
    losses = [loss for run in runs if (loss := getattr(run.result, f"{split}_loss")) is not None]
    if len(losses) < len(runs):
        return None  # never a mean over the survivors alone
    return _weighted(losses, [run.recorded.data.targets[split] for run in runs])


def _weighted(losses: Sequence[float], targets: Sequence[int]) -> float:
    return fmean(losses, targets) if len(set(targets)) > 1 else fmean(losses)


def _spread(runs: Sequence[Run], split: str) -> Spread | None:
    known = [loss for own in _by_seed(runs).values() if (loss := _mean(own, split)) is not None]
    if any(run.result.status == "diverged" for run in runs) or len(known) < len(_by_seed(runs)):
        return None
    return Spread(mean=fmean(known), sd=stdev(known) if len(known) > 1 else None)


def _floor(splits: Iterable[Sequence[Run]]) -> float | None:
    """The loss of a perfect model on the test split, or on those of several splits together."""
    firsts = [own[0].recorded.data for own in splits]
    floors = [floor for data in firsts if (floor := data.floor.get("test")) is not None]
    return _weighted(floors, [data.targets["test"] for data in firsts]) if len(floors) == len(firsts) else None


def _lr_from(study: StudyConfig) -> Literal["recipe", "setting", "grid"]:
    """Of this comparison: a run may have been made for another one, with the same rate from elsewhere."""
    if study.lr_grid:
        return "grid"
    return "recipe" if study.training.lr is None else "setting"


def _off_budget(training: TrainingConfig, used: Used) -> float:
    """How far what a run used is from the budget, relative: few and large steps do not hit it."""
    asked, spent = getattr(training, training.budget or "steps"), getattr(used, training.budget or "steps")
    return 0.0 if asked is None or spent is None else spent / asked - 1


def _speed(results: Sequence[Result], cost: Cost | None) -> float:
    """Target tokens a second in training: by the probe, or over all runs where there is none."""
    if cost and cost.train_tokens_per_second is not None:
        return cost.train_tokens_per_second
    seconds = sum(result.seconds for result in results)
    return sum(result.tokens for result in results) / seconds if seconds else 0.0


def _used(runs: Sequence[Run]) -> Used:
    results = [run.result for run in runs]
    flops = [result.flops for result in results if result.flops is not None]
    return Used(
        steps=fmean(result.steps for result in results),
        tokens=fmean(result.tokens for result in results),
        seconds=fmean(result.seconds for result in results),
        flops=fmean(flops) if len(flops) == len(results) else None,
        flops_uncounted=tuple(sorted({name for result in results for name in result.flops_uncounted})),
        flops_fitted=any(result.flops_fitted for result in results),
    )


def _band(runs: Sequence[Run]) -> tuple[Band, ...]:
    """The points that all runs have, so that no mean is one over the survivors alone."""
    points = zip(*(run.curve for run in runs), strict=False)
    return tuple(
        Band(
            step=fmean(point.step for point in group),
            tokens=fmean(point.tokens for point in group),
            seconds=fmean(point.seconds for point in group),
            mean=fmean(point.validation_loss for point in group),
            low=min(point.validation_loss for point in group),
            high=max(point.validation_loss for point in group),
        )
        for group in points
    )


def _pairs(analysis: Analysis | None, ranking: Sequence[str]) -> list[PairRow]:
    """Every pair once, the better mean first, in the order of the ranking."""
    pairs = [PairRow(**asdict(pair)) for pair in analysis.pairs] if analysis else []
    turned = [pair if ranking.index(pair.a) < ranking.index(pair.b) else pair.turned() for pair in pairs]
    return sorted(turned, key=lambda pair: (ranking.index(pair.a), ranking.index(pair.b)))


def _run_row(run: Run, study: Path, *, several: bool) -> RunRow:
    return RunRow(
        **run.result.model_dump(),
        directory=str(run.directory.relative_to(study)),
        label=run.label,
        seed=run.recorded.run.seed,
        split=run.recorded.run.data.turn[0] if several else None,
        fingerprint=run.recorded.fingerprint,
        lr=run.recorded.settings["lr"],
    )
