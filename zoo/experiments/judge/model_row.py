"""Summarise the runs of one model as its row of a comparison."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import Literal

from zoo.config import TrainingConfig
from zoo.experiments.judge.analysis import Analysis
from zoo.experiments.judge.answers import summarise_answers
from zoo.experiments.judge.positions import loss_by_position
from zoo.experiments.judge.rows import Band, Interval, ModelRow, Spread, Used
from zoo.experiments.records.run import Result, Run, last_auxiliary_loss
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.records.study import Cost, StudyRecord
from zoo.experiments.study.config import StudyConfig


def summarise_model(
    label: str, runs: Sequence[Run], trials: Sequence[Run], record: StudyRecord, analysis: Analysis | None
) -> ModelRow:
    """Make the row of the model with this label: `runs` are reported, `trials` chose its learning rate."""
    first, results, splits = runs[0], [run.result for run in runs], group_by_split(runs)
    diverged = sum(result.status == "diverged" for result in results)
    refused, failed = ([result for result in results if result.status == status] for status in ("refused", "failed"))
    test, floor = _test(label, runs, analysis), _floor(splits.values())
    cost, matched, used = record.costs.get(label), record.matched.get(label), _used(runs)
    lr = first.recorded.settings["lr"]
    tried = {trial.recorded.settings["lr"]: trial.result.validation_loss for trial in trials}
    stopped = [result.steps for result in results if result.solved_at is not None]
    return ModelRow(
        label=label,
        model=str(first.recorded.run.model),
        context=first.recorded.run.context,
        letters=analysis.letters.get(label, "") if analysis else "",
        seeds=len(_group_by_seed(runs)),
        diverged=diverged,
        untrained=sum(
            result.status == "finished" and result.best_step == 0 and result.counted is None for result in results
        ),
        losses=_test_losses(_group_by_seed(runs)),
        split_losses=_test_losses(dict(enumerate(splits.values(), 1))) if len(splits) > 1 else None,
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
        off_budget=0.0
        if diverged or failed or first.result.counted is not None or stopped
        else _off_budget(record.study.training, used),
        stopped=(min(stopped), max(stopped), len(stopped)) if stopped else None,
        tokens_per_second=_speed(results, cost),
        optimizer=first.recorded.settings.get("optimizer", "adamw"),
        recipe=first.recorded.recipe,
        lr=lr,
        lr_from=_lr_from(record.study, record.searches.get(label)),
        lr_trials={repr(rate): loss for rate, loss in tried.items()},
        lr_at_edge=bool(tried) and lr in (min(tried), max(tried)),
        published=next((model.published for model in record.study.models if model.label == label), None),
        cost=cost,
        curve=() if refused or failed else _band(runs),
        by_position=loss_by_position(list(_group_by_seed(runs).values())) if test else (),
        samples=record.samples.get(label, ()),
        refused=len(refused),
        failed=len(failed),
        reason=next((result.reason for result in [*failed, *refused, *results] if result.reason), None),
        answers=summarise_answers(runs, record.study.alpha),
        auxiliary=_auxiliary(runs),
        counted=first.result.counted,
    )


def group_by_split(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Rotation -> the runs of that split."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.recorded.run.data.rotation, []).append(run)
    return groups


def _group_by_seed(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Seed -> its runs, one per split."""
    groups: dict[int, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.recorded.run.seed, []).append(run)
    return groups


def _test(label: str, runs: Sequence[Run], analysis: Analysis | None) -> Interval | None:
    """The mean test loss with its uncertainty; None where the model did not finish in every run."""
    if analysis is None or label not in analysis.estimates:
        return None
    spread = _spread(runs, "test")
    return Interval(**asdict(analysis.estimates[label]), sd=spread.sd if spread else None)


def _test_losses(groups: Mapping[int, Sequence[Run]]) -> dict[int, float | None]:
    """Seed or number of a split -> test loss over its runs."""
    return {number: _mean(own, "test") for number, own in groups.items()}


def _mean(runs: Sequence[Run], split: str) -> float | None:
    """Loss over the runs, weighted by their targets (for one split the mean); None if any run has no loss."""
    losses = [loss for run in runs if (loss := getattr(run.result, f"{split}_loss")) is not None]
    if len(losses) < len(runs):
        return None  # never a mean over the surviving runs alone
    return _weighted(losses, [run.recorded.data.targets[split] for run in runs])


def _weighted(losses: Sequence[float], targets: Sequence[int]) -> float:
    return fmean(losses, targets) if len(set(targets)) > 1 else fmean(losses)


def _spread(runs: Sequence[Run], split: str) -> Spread | None:
    known = [loss for own in _group_by_seed(runs).values() if (loss := _mean(own, split)) is not None]
    if any(run.result.status == "diverged" for run in runs) or len(known) < len(_group_by_seed(runs)):
        return None
    return Spread(mean=fmean(known), sd=stdev(known) if len(known) > 1 else None)


def _floor(splits: Iterable[Sequence[Run]]) -> float | None:
    """The loss of a perfect model on the test split, or on the test parts of several splits together."""
    firsts = [own[0].recorded.data for own in splits]
    floors = [floor for data in firsts if (floor := data.floor.get("test")) is not None]
    return _weighted(floors, [data.targets["test"] for data in firsts]) if len(floors) == len(firsts) else None


def _auxiliary(runs: Sequence[Run]) -> float | None:
    """Mean auxiliary loss at the end of the runs that have one."""
    found = [loss for run in runs if (loss := last_auxiliary_loss(run.curve)) is not None]
    return fmean(found) if found else None


def _lr_from(study: StudyConfig, search: SearchRecord | None) -> Literal["recipe", "setting", "grid", "search"]:
    """The source of this study's rates; a reused run may have recorded another source for the same rate."""
    if search and "lr" in search.space:
        return "search"
    if study.lr_grid:
        return "grid"
    return "recipe" if study.training.lr is None else "setting"


def _off_budget(training: TrainingConfig, used: Used) -> float:
    """Relative deviation of the used budget from the given one: whole steps may miss it."""
    budget, spent = getattr(training, training.budget or "steps"), getattr(used, training.budget or "steps")
    return 0.0 if budget is None or spent is None else spent / budget - 1


def _speed(results: Sequence[Result], cost: Cost | None) -> float:
    """Target tokens per second in training: by the probe if there was one, else over all runs."""
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
    """The curve at the points that all runs have: no mean is over the surviving runs alone."""
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
