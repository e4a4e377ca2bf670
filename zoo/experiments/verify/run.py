"""A run computed again: its settings from code and corpus, its batches from the seed, its curve from its schedule."""

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
from zoo.experiments.verify.diff import TOLERANCE, compare, differences, told
from zoo.experiments.verify.losses import loss_differences
from zoo.experiments.verify.rebuild import Rebuild
from zoo.training.loop import READ_EVERY, Settings


def run_differences(run: Run, rebuild: Rebuild) -> Iterator[str]:
    """What in the run is not as its parts say; what is cheap to see first.

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
    yield from _asked(run, cell)
    yield from _outcome(run, cell)
    yield from _curve(run, cell.settings)
    yield from _drawn(run, cell.settings, rebuild)
    yield from loss_differences(run, rebuild)
    yield from _fingerprint(run, cell)


def _asked(run: Run, cell: Cell) -> Iterator[str]:
    """config.json, and the folder that it names."""
    kept = {"run", "fingerprint", "harness"}  # an older harness is no other run: what it gave is computed again
    if run.recorded.digests != DIGESTS:
        kept |= {"model_source", "digests"}  # of another kind, so that nothing can be said of them
    stored, again = (recorded.model_dump(mode="json", exclude=kept) for recorded in (run.recorded, cell.recorded))
    yield from differences(stored, again)
    config, place = run.recorded.run, Path(os.path.abspath(run.directory))
    yield from compare("folder", place.name, run_name(config, run.recorded.fingerprint))
    if (place.parent.name == "lr-grid") != config.trial:
        yield told("trial", config.trial, f"it stands in {place.parent.name}/")
    yield from compare("threads (of environment.json)", run.environment.threads, config.training.threads)


def _fingerprint(run: Run, cell: Cell) -> Iterator[str]:
    """Of what config.json says, on the machine that environment.json tells of; an older record's is taken as it is."""
    recorded, environment = run.recorded, run.environment
    if recorded.digests != DIGESTS:
        return
    again = fingerprint_run(
        recorded, cell.model, torch=environment.torch, device=environment.device, arithmetic=environment.arithmetic
    )
    yield from compare("fingerprint", recorded.fingerprint, again)


def _outcome(run: Run, cell: Cell) -> Iterator[str]:
    """What result.json says without the curve."""
    result, config = run.result, run.recorded.run
    yield from compare("parameters", result.parameters, cell.model.parameters)
    yield from compare("receptive field", result.receptive_field, cell.model.receptive_field)
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


def _curve(run: Run, settings: Settings) -> Iterator[str]:
    """curve.jsonl, and what result.json says of it; its losses between the first and the best are taken as they are."""
    result, curve = run.result, run.curve
    end = settings.steps if result.diverged_at is None else result.diverged_at - 1
    for index, (before, point) in enumerate(pairwise(curve), 1):
        if point.step <= before.step or point.seconds < before.seconds:
            yield f"point {index} of the curve is not after the one before it: step {point.step}, was {before.step}"
    if settings.steps is not None:
        steps = [step for step in _evaluated_at(settings, settings.steps) if end is not None and step <= end]
        yield from compare("steps of the curve", [point.step for point in curve], steps)
    elif curve and (curve[0].step != 0 or (end is not None and curve[-1].step > end)):
        yield told("steps of the curve", [point.step for point in curve], f"from 0 to {end}")
    for index, point in enumerate(curve):
        if (point.train_loss is None) != (index == 0):
            yield f"train loss of point {index} of the curve: recorded {point.train_loss}"
    best = min(curve, key=lambda point: point.validation_loss, default=None)
    yield from compare("best step", result.best_step, best and best.step)
    if result.diverged_at is not None:
        if not result.diverged_at <= result.steps < result.diverged_at + READ_EVERY:
            yield told("steps", result.steps, f"{result.diverged_at} and fewer than {READ_EVERY} more")
        if curve and result.seconds < curve[-1].seconds:
            yield told("seconds", result.seconds, f"{curve[-1].seconds} or more")
        return
    if best is None:
        yield "the curve has no point"
        return
    if result.status == "finished":
        name, losses = "validation loss (of the curve)", (result.validation_loss, best.validation_loss)
        yield from compare(name, *losses, tolerance=TOLERANCE)
    last = curve[-1]
    yield from compare("steps", result.steps, last.step)
    yield from compare("tokens", result.tokens, last.tokens)
    if result.seconds != last.seconds or (settings.seconds or 0) > last.seconds:
        yield told("seconds", result.seconds, f"{last.seconds} of the curve, {settings.seconds} of the budget")


def _evaluated_at(settings: Settings, steps: int) -> list[int]:
    """The steps that `fit` evaluates after, of a budget of steps."""
    found, due = [], 0
    for step in range(steps + 1):
        share = settings.spent(step, 0) * settings.evaluations + 1e-9
        if share >= due:
            found.append(step)
            due = int(share) + 1
    return found


def _drawn(run: Run, settings: Settings, rebuild: Rebuild) -> Iterator[str]:
    """Tokens and FLOPs, from the batches that the seed gives."""
    result, config = run.result, run.recorded.run
    batches = rebuild.batches(config, settings)
    for point in run.curve:
        yield from compare(f"tokens of the curve at step {point.step}", point.tokens, batches.tokens(point.step))
    yield from compare("tokens", result.tokens, batches.tokens(result.steps))
    if result.flops is not None or result.flops_uncounted:
        again = rebuild.flops(config).try_count(batches.shapes(result.steps))
        yield from compare("FLOPs", result.flops, again.total)
        yield from compare("what FLOPs leave out", result.flops_uncounted, again.uncounted)
        yield from compare("whether FLOPs are fitted", result.flops_fitted, again.fitted)
