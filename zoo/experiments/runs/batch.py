"""Execute cells, each in its way: one after the other, side by side, or the seeds of a model as a stack."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.experiments.records.run import Run, is_run, read_run
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.train import execute, execute_stack
from zoo.experiments.runs.workers import count_cores, run_side_by_side
from zoo.training.loop import Progress


class Listener:
    """What a study tells while it runs; every method does nothing until somebody overrides it."""

    def planned(self, runs: int) -> None:
        """All cells are sound, nothing has been trained; so many runs are to come."""

    def progressed(self, cell: Cell, progress: Progress) -> None:
        """A few more steps, or an evaluation."""

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        """One more cell is done."""


def execute_all(cells: Sequence[Cell], corpus: Corpus, listener: Listener) -> list[Run]:
    """The run of each cell, in their order; what is there already is read.

    Raises:
        RunError: as `execute`.
    """
    there = {cell.directory for cell in cells if is_run(cell.directory)}
    beside = [
        cell for cell in cells if cell.config.training.execution == "side-by-side" and cell.directory not in there
    ]
    _execute_side_by_side(beside, corpus, listener)
    runs: dict[Path, Run] = {}
    for cell in cells:
        if cell.directory in runs:
            continue
        together, found = _execute_with_its_stack(cell, cells, corpus, listener)
        for own, run in zip(together, found, strict=True):
            runs[own.directory] = run
            if own not in beside:
                listener.finished(own, run, reused=own.directory in there)
    return [runs[cell.directory] for cell in cells]


def _execute_side_by_side(cells: Sequence[Cell], corpus: Corpus, listener: Listener) -> None:
    def progress(number: int, news: Progress) -> None:
        listener.progressed(cells[number], news)

    def finish(number: int, _: None) -> None:
        listener.finished(cells[number], read_run(cells[number].directory), reused=False)

    tasks = [partial(_execute_in_a_worker, cell, corpus) for cell in cells]
    run_side_by_side(tasks, at_once=count_cores(), on_news=progress, on_outcome=finish)


def _execute_with_its_stack(
    cell: Cell, cells: Sequence[Cell], corpus: Corpus, listener: Listener
) -> tuple[list[Cell], list[Run]]:
    """A cell, with the others of its stack where it has one, and their runs."""
    if not cell.config.stack:
        return [cell], [execute(cell, corpus, partial(listener.progressed, cell))]
    together = [other for other in cells if other.config.label == cell.config.label]
    return together, execute_stack(together, corpus, listener.progressed)


def _execute_in_a_worker(cell: Cell, corpus: Corpus, report: Callable[[Progress], None]) -> None:
    """In a process of its own, which has nothing to hand over but what it writes."""
    execute(cell, corpus, report)
