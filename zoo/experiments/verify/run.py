"""Verify a run: its settings from code and corpus, its batches from the seed, its curve from its schedule."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from zoo.data.splits import SPLITS
from zoo.experiments.records.run import DIGESTS, Run
from zoo.experiments.runs.identity import fingerprint_run, run_name
from zoo.experiments.runs.load import describe_change
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.verify.diff import TOLERANCE, compare_values, describe, differences
from zoo.experiments.verify.losses import loss_differences
from zoo.experiments.verify.rebuild import Rebuild
from zoo.training.loop import READ_EVERY, Settings


def run_differences(run: Run, rebuild: Rebuild) -> Iterator[str]:
    """Check every part of a run, what is cheap to compute first.

    Raises:
        RunError: weights or losses are damaged.
        DataError, UsageError, RegistryError: corpus or model cannot be had again.
    """
    recorded, config = run.recorded, run.recorded.run
    corpus = rebuild.corpus(config.data)
    if corpus.digest != recorded.data.digest:
        yield f"the corpus has digest {corpus.digest[:12]}…, the run was made on {recorded.data.digest[:12]}…"
    cell = rebuild.cell(config)
    if changed := describe_change(run, cell.model):
        yield changed
    yield from _config_differences(run, cell)
    yield from _result_differences(run, cell)
    yield from _curve_differences(run, cell.settings)
    yield from _count_differences(run, cell.settings, rebuild)
    yield from loss_differences(run, rebuild)
    yield from _fingerprint_differences(run, cell)


def _config_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check config.json, and the name of the folder."""
    excluded = {"run", "fingerprint", "harness"}  # an older harness is no other run: what it gave is computed again
    if run.recorded.digests != DIGESTS:
        excluded |= {"model_source", "digests"}  # of another kind, so that nothing can be said of them
    stored, again = (recorded.model_dump(mode="json", exclude=excluded) for recorded in (run.recorded, cell.recorded))
    yield from differences(stored, again)
    config, place = run.recorded.run, Path(os.path.abspath(run.directory))
    yield from compare_values("folder", place.name, run_name(config, run.recorded.fingerprint))
    if (place.parent.name == "lr-grid") != config.trial:
        yield describe("trial", config.trial, f"it stands in {place.parent.name}/")
    yield from compare_values("threads (of environment.json)", run.environment.threads, config.training.threads)


def _fingerprint_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check the fingerprint against config.json and the machine of environment.json; not that of an older record."""
    recorded, environment = run.recorded, run.environment
    if recorded.digests != DIGESTS:
        return
    again = fingerprint_run(
        recorded, cell.model, torch=environment.torch, device=environment.device, arithmetic=environment.arithmetic
    )
    yield from compare_values("fingerprint", recorded.fingerprint, again)


def _result_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check what result.json says beside the curve."""
    result, config = run.result, run.recorded.run
    yield from compare_values("parameters", result.parameters, cell.model.parameters)
    yield from compare_values("receptive field", result.receptive_field, cell.model.receptive_field)
    finished = result.status == "finished"
    if (result.status == "diverged") == (result.diverged_at is None):
        yield f"diverged at: recorded {result.diverged_at}, of a run that is {result.status}"
    if (result.status == "refused") == (result.reason is None):
        yield f"reason: recorded {result.reason}, of a run that is {result.status}"
    due = {"train": config.training.score_train, "validation": True, "test": not config.trial}
    numbers: dict[str, tuple[Any, bool]] = {
        f"{split} loss": (getattr(result, f"{split}_loss"), finished and due[split]) for split in SPLITS
    }
    numbers["tested at"] = (result.tested_at, finished and due["test"])
    for name, (value, wanted) in numbers.items():
        if (value is not None) != wanted:
            kind = f"{result.status} {'trial' if config.trial else 'run'}"
            yield f"{name}: recorded {value}, but a {kind} of these settings has {'one' if wanted else 'none'}"


def _curve_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check curve.jsonl against its schedule and result.json; losses between the first and the best stay unchecked."""
    result, curve = run.result, run.curve
    yield from _point_differences(run, settings)
    best = min(curve, key=lambda point: point.validation_loss, default=None)
    yield from compare_values("best step", result.best_step, best and best.step)
    if result.diverged_at is not None:
        yield from _divergence_differences(run, result.diverged_at)
    elif best is None:
        yield "the curve has no point"
    else:
        if result.status == "finished":
            name, losses = "validation loss (of the curve)", (result.validation_loss, best.validation_loss)
            yield from compare_values(name, *losses, tolerance=TOLERANCE)
        yield from _end_differences(run, settings)


def _point_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check the points of the curve: their order, their steps, and which have a training loss."""
    curve, diverged_at = run.curve, run.result.diverged_at
    end = settings.steps if diverged_at is None else diverged_at - 1
    for index, (before, point) in enumerate(pairwise(curve), 1):
        if point.step <= before.step or point.seconds < before.seconds:
            yield f"point {index} of the curve is not after the one before it: step {point.step}, was {before.step}"
    if settings.steps is not None:
        steps = [step for step in _evaluation_steps(settings, settings.steps) if end is not None and step <= end]
        yield from compare_values("steps of the curve", [point.step for point in curve], steps)
    elif curve and (curve[0].step != 0 or (end is not None and curve[-1].step > end)):
        yield describe("steps of the curve", [point.step for point in curve], f"from 0 to {end}")
    for index, point in enumerate(curve):
        if (point.train_loss is None) != (index == 0):
            yield f"train loss of point {index} of the curve: recorded {point.train_loss}"


def _divergence_differences(run: Run, diverged_at: int) -> Iterator[str]:
    """Check the end of a diverged run: it stops when losses are read next, fewer than READ_EVERY steps later."""
    result, curve = run.result, run.curve
    if not diverged_at <= result.steps < diverged_at + READ_EVERY:
        yield describe("steps", result.steps, f"{diverged_at} and fewer than {READ_EVERY} more")
    if curve and result.seconds < curve[-1].seconds:
        yield describe("seconds", result.seconds, f"{curve[-1].seconds} or more")


def _end_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check the end of any other run: the last point of its curve."""
    result, last = run.result, run.curve[-1]
    yield from compare_values("steps", result.steps, last.step)
    yield from compare_values("tokens", result.tokens, last.tokens)
    if result.seconds != last.seconds or (settings.seconds or 0) > last.seconds:
        yield describe("seconds", result.seconds, f"{last.seconds} of the curve, {settings.seconds} of the budget")


def _evaluation_steps(settings: Settings, steps: int) -> list[int]:
    """The steps after which `fit` evaluates, where the budget is in steps."""
    found, due = [], 0
    for step in range(steps + 1):
        share = settings.spent(step, 0) * settings.evaluations + 1e-9
        if share >= due:
            found.append(step)
            due = int(share) + 1
    return found


def _count_differences(run: Run, settings: Settings, rebuild: Rebuild) -> Iterator[str]:
    """Check tokens and FLOPs against the batches that the seed gives."""
    result, config = run.result, run.recorded.run
    batches = rebuild.batches(config, settings)
    for point in run.curve:
        yield from compare_values(f"tokens of the curve at step {point.step}", point.tokens, batches.tokens(point.step))
    yield from compare_values("tokens", result.tokens, batches.tokens(result.steps))
    if result.flops is not None or result.flops_uncounted:
        again = rebuild.flops(config).try_count(batches.shapes(result.steps))
        yield from compare_values("FLOPs", result.flops, again.total)
        yield from compare_values("what FLOPs leave out", result.flops_uncounted, again.uncounted)
        yield from compare_values("whether FLOPs are fitted", result.flops_fitted, again.fitted)
