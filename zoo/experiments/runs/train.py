"""Execute a run, and write its record atomically."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from zoo.blame import blame
from zoo.catalog import MODELS
from zoo.config import RunConfig
from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.data.splits import SPLITS
from zoo.errors import RunError, StrangerError
from zoo.experiments.records.fingerprint import digest_model
from zoo.experiments.records.run import TOKENIZER, WEIGHTS, Run, is_done, is_run, read_run
from zoo.experiments.runs.budget import row_layout, row_length
from zoo.experiments.runs.checkpoints import Checkpoints
from zoo.experiments.runs.count import count
from zoo.experiments.runs.floor import find_impossible_score
from zoo.experiments.runs.model import digest_optimizer
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.result import Trained, write_record
from zoo.experiments.runs.score import Scored, score_stored
from zoo.experiments.runs.working_folder import BusyError, tidy, work_on
from zoo.interrupt import stoppable
from zoo.models.build import count_buffers, count_parameters
from zoo.models.interface import SequenceModel, is_counted
from zoo.probes.flops import FlopCounter, Flops
from zoo.surroundings import Watch, isolated, watch_changes
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.goal import Finish
from zoo.training.loop import Fit, Progress, fit
from zoo.training.observer import Observer
from zoo.training.run_state import Keeper
from zoo.training.stacked.fit import fit_stacked
from zoo.whole_file import write_whole

Observe: TypeAlias = Callable[[Cell, SequenceModel, Path, Corpus], Observer | None]
"""Makes what looks at the model of a cell in training, and writes into its working folder; None: nothing does."""


def execute(
    cell: Cell,
    corpus: Corpus,
    report: Callable[[Progress], None] = lambda _: None,
    observe: Observe = lambda *_: None,
) -> Run:
    """Train, score and write a run; if it is finished already, read it.

    Raises:
        RunError: the directory exists and is no run, or the model's source changed meanwhile.
        BusyError: another process executes the run.
    """
    (run,) = _execute([cell], corpus, lambda cell, progress: report(progress), observe)
    return run


def execute_stack(
    cells: Sequence[Cell],
    corpus: Corpus,
    report: Callable[[Cell, Progress], None],
    observe: Observe = lambda *_: None,
) -> list[Run]:
    """Like `execute`, for the replicas of one model, trained as a stack.

    Raises:
        RunError: as `execute`.
        UsageError: vmap cannot run the model.
    """
    return _execute(cells, corpus, report, observe)


def _execute(
    cells: Sequence[Cell], corpus: Corpus, report: Callable[[Cell, Progress], None], observe: Observe
) -> list[Run]:
    """Execute cells of one model; several are a stack."""
    try:
        if not all(is_done(cell.directory) for cell in cells):
            _work(cells, corpus, report, observe)
    except BusyError:
        if not all(is_done(cell.directory) for cell in cells):
            raise
    for cell in cells:
        tidy(cell.directory)
    return [read_run(cell.directory) for cell in cells]


def _work(cells: Sequence[Cell], corpus: Corpus, report: Callable[[Cell, Progress], None], observe: Observe) -> None:
    """Train, score and write all cells."""
    taken = [cell.directory for cell in cells if cell.directory.exists() and not is_run(cell.directory)]
    if taken:
        raise RunError(f"'{taken[0]}' exists but is not a finished run: remove it.")
    if len(cells) != max(1, len(cells[0].config.stack)):
        raise RunError(f"A stack of {len(cells[0].config.stack)} runs cannot be trained as {len(cells)}.")
    first, device = cells[0].config, cells[0].device
    here = isolated(device, threads=first.training.threads, seed=first.batch_seed)
    watch = watch_changes(cells[0].model.who, "in training or evaluation")
    with here, ExitStack() as stack, watch as surroundings:
        places = [stack.enter_context(work_on(cell.directory, again=len(cells) > 1)) for cell in cells]
        keeps = not first.stack and not first.trial
        every = first.training.checkpoint_every
        keeper = Checkpoints(places[0], cells[0].recorded.fingerprint, every, keeps=keeps)
        rows = {split: corpus.rows(split, length=row_length(first), device=device) for split in SPLITS}
        trained = _train(cells, corpus, rows, places, _report_and_look(report, surroundings), keeper, observe)
        for cell, one, place in zip(cells, trained, places, strict=True):
            scored = _score(cell, rows, place, one)
            surroundings.look()
            if surroundings.complaint:
                scored = Scored(refusal=surroundings.complaint)
            _check_source(cell)
            if corpus.vocabulary.pairs:
                write_whole(place / TOKENIZER, corpus.vocabulary.pairs.text)
            write_record(cell, one, scored, place)


def _train(
    cells: Sequence[Cell],
    corpus: Corpus,
    rows: Mapping[str, Rows],
    places: Sequence[Path],
    report: Callable[[Cell, Progress], None],
    keeper: Keeper,
    observe: Observe,
) -> list[Trained]:
    """Train the models and store their weights in `places`; the models are freed on return."""
    if is_counted(cells[0].model.kind):
        return [_count(cell, corpus, rows, place, report) for cell, place in zip(cells, places, strict=True)]
    first = cells[0].config
    models = [cell.build().to(cell.device) for cell in cells]
    for cell, model in zip(cells, models, strict=True):
        _check_source(cell)
        _check_size(cell, model)
    counter = FlopCounter(cells[0].build(), row_layout(first, corpus))
    found = [observe(*one, corpus) for one in zip(cells, models, places, strict=True)]
    observers = [observer for observer in found if observer is not None]
    with blame(cells[0].model.who, "in training", module=cells[0].model.kind.__module__):
        finish = _find_finish(first, corpus)
        fits = _fit(cells, models, cells[0].build().to(cells[0].device), rows, report, keeper, observers, finish)
    return [
        Trained(
            fitted,
            save_weights(model, place / WEIGHTS),
            count_buffers(model, cell.model.build(cell.config.init_seed)),
            counter.try_count(fitted.shapes),
        )
        for cell, model, fitted, place in zip(cells, models, fits, places, strict=True)
    ]


def _count(
    cell: Cell, corpus: Corpus, rows: Mapping[str, Rows], place: Path, report: Callable[[Cell, Progress], None]
) -> Trained:
    """Fit a model of counts, which takes no steps, and store it in `place`."""
    model, evaluated = cell.build(), cell.build().to(cell.device)
    with blame(cell.model.who, "in fit_counts", module=cell.model.kind.__module__):
        fitted = count(
            model, evaluated, corpus, rows["validation"], device=cell.device, dtype=cell.config.training.dtype
        )
    report(cell, Progress(1.0, None, fitted.curve[-1].validation_loss))
    buffers = count_buffers(model, cell.build())
    return Trained(fitted, save_weights(model, place / WEIGHTS), buffers, Flops(None))


def _report_and_look(report: Callable[[Cell, Progress], None], surroundings: Watch) -> Callable[[Cell, Progress], None]:
    """Wrap `report` to check the surroundings after every evaluation, while the clock is stopped."""

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
    keeper: Keeper,
    observers: Sequence[Observer],
    finish: Finish | None,
) -> list[Fit]:
    train, validation, device = rows["train"], rows["validation"], cells[0].device
    settings, seeds = [cell.settings for cell in cells], [cell.config.batch_seed for cell in cells]
    common: dict[str, Any] = {"device": device, "evaluation_model": evaluated, "keeper": keeper, "finish": finish}
    with stoppable():
        if cells[0].config.stack:
            each: Callable[[int, Progress], None] = lambda number, progress: report(cells[number], progress)  # noqa: E731
            return fit_stacked(models, train, validation, settings, seeds=seeds, report=each,
                               build=lambda number: cells[number].build(), observers=observers,
                               **common)  # fmt: skip
        (cell,), (own,) = cells, settings
        return [fit(models[0], train, validation, own, seed=seeds[0], report=partial(report, cell), build=cell.build,
                    prune_above=cell.config.prune_above, observer=next(iter(observers), None),
                    **common)]  # fmt: skip


def _find_finish(config: RunConfig, corpus: Corpus) -> Finish | None:
    """What ends a run of a task before its budget is spent, if that is asked for."""
    if not config.training.stop_when_solved or corpus.task is None:
        return None
    return Finish(corpus.task.goal, corpus.floor["validation"] or 0.0)


def _score(cell: Cell, rows: Mapping[str, Rows], place: Path, trained: Trained) -> Scored:
    """Score the weights in `place`; empty for a diverged run."""
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


def _check_size(cell: Cell, model: SequenceModel) -> None:
    """Check that size and receptive field are those of the seed under which the model was resolved."""
    now, then = (count_parameters(model), model.receptive_field), (cell.model.parameters, cell.model.receptive_field)
    if now != then:
        raise StrangerError(
            f"{cell.model.who} has {now[0]:,} parameters and a receptive field of {now[1]} under seed "
            f"{cell.config.seed}, and {then[0]:,} and {then[1]} under another: they must not depend on the seed."
        )


def _check_source(cell: Cell) -> None:
    """Check that the source is unchanged since the model was resolved."""
    name = cell.config.model.name
    if digest_model(MODELS.get(name), MODELS.find(name).target) != cell.model.source:
        raise RunError(f"The source of '{name}' changed while the study ran: run it again.")
    optimizer = cell.settings.optimizer
    if digest_optimizer(optimizer) != cell.recorded.optimizer_source:
        raise RunError(f"The source of '{optimizer}' changed while the study ran: run it again.")
