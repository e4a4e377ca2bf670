"""Verify a run: its settings from code and corpus, its counts from the batches of its seed, then curve and losses."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.data.splits import SPLITS
from zoo.errors import RunError
from zoo.experiments.records.code import digest_harness
from zoo.experiments.records.run import DIGESTS, GRID_FOLDER, SEARCH_FOLDER, Run
from zoo.experiments.records.signals import read_signals
from zoo.experiments.records.tokenizer import read_tokenizer
from zoo.experiments.runs.identity import fingerprint_run, run_name, trial_folder
from zoo.experiments.runs.load import describe_change
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.verify.curve import curve_differences
from zoo.experiments.verify.diff import compare_values, describe, differences
from zoo.experiments.verify.losses import loss_differences
from zoo.experiments.verify.rebuild import Rebuild
from zoo.models.interface import is_counted
from zoo.training.loop import Settings


def run_differences(run: Run, rebuild: Rebuild) -> Iterator[str]:
    """Check every part of a run, cheap checks first.

    Raises:
        RunError: weights, losses or the tokenizer are damaged.
        DataError, UsageError, RegistryError: corpus or model cannot be rebuilt.
    """
    recorded, config = run.recorded, run.recorded.run
    rebuild.trust.allow(run.recorded)
    corpus = rebuild.corpus(config.data)
    if corpus.digest != recorded.data.digest:
        yield f"the corpus has digest {corpus.digest[:12]}…, the run was made on {recorded.data.digest[:12]}…"
    cell = rebuild.cell(config).as_recorded(recorded)
    if changed := describe_change(run, cell.model):
        yield changed
    yield from _config_differences(run, cell)
    read_tokenizer(run.directory, run.recorded.data)
    yield from _result_differences(run, cell)
    if run.result.status == "failed":  # a failed run has nothing else
        yield from _fingerprint_differences(run, cell)
        return
    yield from curve_differences(run, cell.settings)
    yield from signal_differences(run)
    yield from _count_differences(run, cell.settings, rebuild)
    yield from loss_differences(run, rebuild)
    yield from _fingerprint_differences(run, cell)


def signal_differences(run: Run) -> Iterator[str]:
    """Check that the signals of a watched run can be read, and are those of its evaluations.

    Their values cannot be computed again: the weights of that time are gone.
    """
    try:
        points = read_signals(run.directory)
    except RunError as error:
        yield str(error)
        return
    steps = [point.step for point in points]
    if points and run.result.status == "finished":
        yield from compare_values("steps of the signals", steps, [point.step for point in run.curve])


def _config_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check config.json, and the name of the folder."""
    excluded = {"run", "fingerprint", "harness"}  # another harness is no difference: its results are recomputed
    if run.recorded.digests != DIGESTS:
        excluded |= {"model_source", "digests"}  # digests of another kind cannot be compared
    excluded |= {name for name in ("optimizer_source", "recipe") if getattr(run.recorded, name) is None}  # older
    stored, again = (recorded.model_dump(mode="json", exclude=excluded) for recorded in (run.recorded, cell.recorded))
    if not run.recorded.data.bytes and not run.recorded.data.has_answers and run.recorded.harness != digest_harness():
        # an older record
        again["data"].pop("bytes", None)
    yield from differences(stored, again)
    config, place = run.recorded.run, Path(os.path.abspath(run.directory))
    yield from compare_values("folder", place.name, run_name(config, run.recorded.fingerprint))
    folder = place.parent.name if place.parent.name in (GRID_FOLDER, SEARCH_FOLDER) else ""
    if folder != trial_folder(config):
        yield describe("trial", config.trial, f"it stands in {place.parent.name}/")
    yield from compare_values("threads (of environment.json)", run.environment.threads, config.training.threads)


def _fingerprint_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check the fingerprint against config.json and environment.json, except in the oldest records, without harness."""
    recorded, environment = run.recorded, run.environment
    if recorded.harness is None:
        return
    again = fingerprint_run(
        recorded, cell.model, torch=environment.torch, device=environment.device, arithmetic=environment.arithmetic
    )
    yield from compare_values("fingerprint", recorded.fingerprint, again)


def _result_differences(run: Run, cell: Cell) -> Iterator[str]:
    """Check parameters, receptive field and status of result.json, and which losses it has."""
    result, config = run.result, run.recorded.run
    yield from compare_values("parameters", result.parameters, cell.model.parameters)
    yield from compare_values("receptive field", result.receptive_field, cell.model.receptive_field)
    if result.status != "failed":
        yield from compare_values("whether it was counted", result.counted is not None, is_counted(cell.model.kind))
    scored = result.status in ("finished", "pruned")
    if (result.status == "diverged") == (result.diverged_at is None):
        yield f"diverged at: recorded {result.diverged_at}, of a run that is {result.status}"
    if result.status != "diverged" and scored == (result.reason is not None):
        yield f"reason: recorded {result.reason}, of a run that is {result.status}"
    due = {"train": config.training.score_train, "validation": True, "test": not config.trial}
    if not run.recorded.data.has_answers:
        yield from compare_values("accuracy of text", result.accuracy, None)
        yield from compare_values("answers of text", result.answers, None)
    numbers: dict[str, tuple[Any, bool]] = {
        f"{split} loss": (getattr(result, f"{split}_loss"), scored and due[split]) for split in SPLITS
    }
    numbers["tested at"] = (result.tested_at, scored and due["test"])
    for name, (value, wanted) in numbers.items():
        if (value is not None) != wanted:
            kind = f"{result.status} {'trial' if config.trial else 'run'}"
            yield f"{name}: recorded {value}, but a {kind} of these settings has {'one' if wanted else 'none'}"


def _count_differences(run: Run, settings: Settings, rebuild: Rebuild) -> Iterator[str]:
    """Check tokens and FLOPs against the batches of the seed."""
    result, config = run.result, run.recorded.run
    if result.counted is not None:
        yield from compare_values("tokens", result.tokens, rebuild.corpus(config.data).targets["train"])
        yield from compare_values("FLOPs", result.flops, None)
        return
    batches = rebuild.batches(config, settings)
    for point in run.curve:
        yield from compare_values(f"tokens of the curve at step {point.step}", point.tokens, batches.tokens(point.step))
    yield from compare_values("tokens", result.tokens, batches.tokens(result.steps))
    if result.flops is not None or result.flops_uncounted:
        again = rebuild.flops(config).try_count(batches.shapes(result.steps))
        yield from compare_values("FLOPs", result.flops, again.total)
        yield from compare_values("what FLOPs leave out", result.flops_uncounted, again.uncounted)
        yield from compare_values("whether FLOPs are fitted", result.flops_fitted, again.fitted)
