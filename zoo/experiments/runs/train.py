"""Execute a run and write its record, whole or not at all."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from registry.files import is_file_reference, split_file_reference
from zoo.blame import blame
from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.data.splits import SPLITS
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError
from zoo.experiments.records.environment import describe_environment
from zoo.experiments.records.run import (
    DIGESTS,
    LOSSES,
    WEIGHTS,
    CurvePoint,
    Result,
    Run,
    is_run,
    read_run,
    write_curve,
    write_json,
    write_losses,
)
from zoo.experiments.runs.budget import row_layout, row_length
from zoo.experiments.runs.floor import find_impossible_score
from zoo.experiments.runs.model import FoundModel, find_model
from zoo.experiments.runs.resolve import Cell, device_name
from zoo.experiments.runs.score import Scored, score_stored
from zoo.models.build import count_buffers
from zoo.models.interface import SequenceModel
from zoo.probes.flops import FlopCounter, Flops
from zoo.surroundings import Watch, isolated, watch_changes
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.evaluation import Score
from zoo.training.loop import Fit, Progress, fit
from zoo.training.stacked.fit import fit_stacked


def execute(cell: Cell, corpus: Corpus, report: Callable[[Progress], None] = lambda _: None) -> Run:
    """Train, evaluate, write; a finished run of the same fingerprint is read instead.

    Raises:
        RunError: the directory is taken by something that is no run, or the model's source changed meanwhile.
    """
    (run,) = _execute([cell], corpus, lambda cell, progress: report(progress))
    return run


def execute_stack(cells: Sequence[Cell], corpus: Corpus, report: Callable[[Cell, Progress], None]) -> list[Run]:
    """The same for the replicas of one model, trained as a stack.

    Raises:
        RunError: as `execute`.
        UsageError: vmap cannot run the model.
    """
    return _execute(cells, corpus, report)


def _execute(cells: Sequence[Cell], corpus: Corpus, report: Callable[[Cell, Progress], None]) -> list[Run]:
    """Cells of one model; more than one are a stack."""
    if all(is_run(cell.directory) for cell in cells):
        return [read_run(cell.directory) for cell in cells]
    taken = [cell.directory for cell in cells if cell.directory.exists() and not is_run(cell.directory)]
    if taken:
        raise RunError(f"'{taken[0]}' is there and is no finished run: remove it.")
    first, device = cells[0].config, cells[0].device
    here = isolated(device, threads=first.training.threads, seed=first.seed)
    watch = watch_changes(cells[0].model.who, "in training or evaluation")
    with here, ExitStack() as stack, watch as surroundings:
        places = [stack.enter_context(_write_at_once(cell.directory)) for cell in cells]
        rows = {split: corpus.rows(split, length=row_length(first), device=device) for split in SPLITS}
        trained = _train(cells, corpus, rows, places, _report_and_look(report, surroundings))
        for cell, one, place in zip(cells, trained, places, strict=True):
            scored = _score(cell, rows, place, one)
            surroundings.look()
            if surroundings.complaint:
                scored = Scored(refusal=surroundings.complaint)
            _check_source(cell)
            _write(cell, one, scored, place)
    return [read_run(cell.directory) for cell in cells]


class Trained(NamedTuple):
    """What is left of a model once it is trained and its weights are stored."""

    fit: Fit
    weights_sha256: str
    buffers: int
    flops: Flops


def _train(
    cells: Sequence[Cell],
    corpus: Corpus,
    rows: Mapping[str, Rows],
    places: Sequence[Path],
    report: Callable[[Cell, Progress], None],
) -> list[Trained]:
    """Train the models and store their weights, each in its place; the models themselves end here."""
    first = cells[0].config
    models = [cell.build().to(cell.device) for cell in cells]
    for cell in cells:
        _check_source(cell)
    counter = FlopCounter(cells[0].build(), row_layout(first, corpus))
    with blame(cells[0].model.who, "in training", module=cells[0].model.kind.__module__):
        fits = _fit(cells, models, cells[0].build().to(cells[0].device), rows, report)
    return [
        Trained(
            fitted,
            save_weights(model, place / WEIGHTS),
            count_buffers(model, cell.build()),
            counter.try_count(fitted.shapes),
        )
        for cell, model, fitted, place in zip(cells, models, fits, places, strict=True)
    ]


def _report_and_look(report: Callable[[Cell, Progress], None], surroundings: Watch) -> Callable[[Cell, Progress], None]:
    """`report`, and a look at what the process shares after every evaluation, while the clock stands still."""

    def look_and_report(cell: Cell, progress: Progress) -> None:
        if progress.validation_loss is not None:
            surroundings.look()
        report(cell, progress)

    return look_and_report


def _fit(
    cells: Sequence[Cell],
    models: Sequence[SequenceModel],
    evaluated: SequenceModel,
    rows: Mapping[str, Rows],
    report: Callable[[Cell, Progress], None],
) -> list[Fit]:
    train, validation, device = rows["train"], rows["validation"], cells[0].device
    settings, seeds = [cell.settings for cell in cells], [cell.config.seed for cell in cells]
    if cells[0].config.stack:
        each: Callable[[int, Progress], None] = lambda number, progress: report(cells[number], progress)  # noqa: E731
        return fit_stacked(
            models, train, validation, settings, seeds=seeds, device=device, report=each, evaluation_model=evaluated
        )
    alone, (own,) = partial(report, cells[0]), settings
    fitted = fit(
        models[0], train, validation, own, seed=seeds[0], device=device, report=alone, evaluation_model=evaluated
    )
    return [fitted]


def _score(cell: Cell, rows: Mapping[str, Rows], place: Path, trained: Trained) -> Scored:
    """The scores of the weights in `place`; none of a run that diverged."""
    training, best = cell.config.training, trained.fit.best
    if trained.fit.diverged_at is not None or best is None:
        return Scored()
    wanted = {"train": training.score_train, "validation": True, "test": not cell.config.trial}

    def load() -> SequenceModel:
        model = cell.build()
        load_weights(model, place / WEIGHTS, trained.weights_sha256)
        return model

    with blame(cell.model.who, "when its stored weights were scored", module=cell.model.kind.__module__):
        scored = score_stored(
            load,
            {split: rows[split] for split in SPLITS if wanted[split]},
            device=cell.device,
            dtype=training.dtype,
            best=best.validation_loss,
            seed=int(cell.recorded.fingerprint, 16),
        )
    impossible = find_impossible_score(scored.scores, cell.data.floor)
    return Scored(refusal=impossible) if impossible else scored


def _write(cell: Cell, trained: Trained, scored: Scored, place: Path) -> None:
    """Everything beside the weights, the result last."""
    write_json(place / "config.json", cell.recorded)
    threads = cell.config.training.threads or 1
    write_json(place / "environment.json", describe_environment(device_name(cell.device), threads))
    write_curve(place / "curve.jsonl", [CurvePoint(**asdict(point)) for point in trained.fit.curve])
    digest = write_losses(place / LOSSES, _losses(scored.scores))
    write_json(place / "result.json", _result(cell, trained, scored, digest))


def load_model(run: Run) -> tuple[SequenceModel, str]:
    """The model of a run with its weights, on the CPU, in evaluation mode; and a notice if its source has changed.

    Raises:
        RunError: it diverged at once, its model's file is not here, or its weights are damaged or no longer fit the
            model's code.
    """
    if run.result.best_step is None:
        raise RunError(f"'{run.directory}' diverged at its first evaluation: no weights to load.")
    config, name = run.recorded.run, run.recorded.run.model.name
    if is_file_reference(name) and not split_file_reference(name)[0].is_file():
        raise RunError(f"'{run.directory}' is a run of '{name}', a file that is not here: go where it was trained.")
    vocab_size = len(Vocabulary(run.recorded.data.characters))
    found = find_model(config.model, vocab_size=vocab_size, context=config.context)
    model = found.build(config.seed)
    load_weights(model, run.directory / WEIGHTS, run.result.weights_sha256)
    return model.eval(), describe_change(run, found)


def describe_change(run: Run, model: FoundModel) -> str:
    """A notice if the model's source is not what the run was trained with; "" if it is, or where that is not known."""
    if run.recorded.digests != DIGESTS or model.digest_source() == run.recorded.model_source:
        return ""
    return f"The source of '{model.call.name}' has changed since this run was trained."


def _check_source(cell: Cell) -> None:
    now = find_model(cell.config.model, vocab_size=cell.model.vocab_size, context=cell.model.context)
    if now.digest_source() != cell.model.source:
        raise RunError(f"The source of '{cell.config.model.name}' changed while the study ran: run it again.")


def _result(cell: Cell, trained: Trained, scored: Scored, losses_sha256: str) -> Result:
    def loss(split: str) -> float | None:
        return scored.scores[split].loss if split in scored.scores else None

    fitted = trained.fit
    refusal = scored.refusal if fitted.diverged_at is None else None  # one that diverged has no scores to refuse
    finished: Literal["finished", "refused"] = "refused" if refusal else "finished"
    return Result(
        status=finished if fitted.diverged_at is None else "diverged",
        reason=refusal,
        diverged_at=fitted.diverged_at,
        parameters=cell.model.parameters,
        buffers=trained.buffers,
        receptive_field=cell.model.receptive_field,
        steps=fitted.steps,
        tokens=fitted.tokens,
        seconds=fitted.seconds,
        flops=trained.flops.total,
        flops_uncounted=trained.flops.uncounted,
        flops_fitted=trained.flops.fitted,
        best_step=fitted.best.step if fitted.best else None,
        train_loss=loss("train"),
        validation_loss=loss("validation"),
        test_loss=loss("test"),
        tested_at=datetime.now(UTC).isoformat(timespec="seconds") if "test" in scored.scores else None,
        weights_sha256=trained.weights_sha256,
        losses_sha256=losses_sha256,
        reproduced=scored.reproduced,
        execution=_describe_execution(cell, fitted),
        compile_seconds=fitted.compile_seconds,
    )


def _describe_execution(cell: Cell, fitted: Fit) -> str:
    """How a run was executed."""
    config = cell.config
    how = f"stack of {len(config.stack)}" if config.stack else str(config.training.execution)
    steps = fitted.execution.removeprefix("stacked").removeprefix(", ")
    return ", ".join(part for part in (how, steps if steps != "eager" else "") if part)


def _losses(scores: dict[str, Score]) -> dict[str, np.ndarray]:
    kept = {split: score for split, score in scores.items() if split != "train"}
    return {f"{split}.nats": score.nats for split, score in kept.items()} | {
        f"{split}.tokens": score.tokens for split, score in kept.items()
    }


@contextmanager
def _write_at_once(directory: Path) -> Iterator[Path]:
    """A hidden directory to write into, which becomes `directory` when all is written, and vanishes otherwise."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.", suffix=".partial"))
    try:
        yield hidden
        hidden.chmod(0o755)  # mkdtemp's is for its owner alone
        try:
            hidden.rename(directory)
        except OSError as error:
            if not is_run(directory):  # somebody else's finished run of the same fingerprint is as good
                raise RunError(f"Cannot write '{directory}': {error.strerror}.") from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
