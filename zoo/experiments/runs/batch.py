"""Cells, executed in the way of each: one after the other, side by side, or the replicas of a model as a stack."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.experiments.records.run import Run, is_run, read_run
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.train import execute, execute_stack
from zoo.experiments.runs.workers import side_by_side, usable_cores
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
    beside = [cell for cell in cells if cell.config.training.execution == "side-by-side" and not is_run(cell.directory)]
    there = {cell.directory for cell in cells if is_run(cell.directory)}

    def told(number: int, progress: Progress) -> None:
        listener.progressed(beside[number], progress)

    def finished(number: int, _: None) -> None:
        listener.finished(beside[number], read_run(beside[number].directory), reused=False)

    side_by_side(
        [partial(_to_its_directory, cell, corpus) for cell in beside],
        at_once=usable_cores(),
        heard=told,
        finished=finished,
    )
    runs: dict[Path, Run] = {}
    for cell in cells:
        if cell.directory in runs:
            continue
        replicas = [other for other in cells if other.config.label == cell.config.label and cell.config.stack]
        found = (
            execute_stack(replicas, corpus, listener.progressed)
            if replicas
            else [execute(cell, corpus, partial(listener.progressed, cell))]
        )
        for own, run in zip(replicas or [cell], found, strict=True):
            runs[own.directory] = run
            if own not in beside:
                listener.finished(own, run, reused=own.directory in there)
    return [runs[cell.directory] for cell in cells]


def _to_its_directory(cell: Cell, corpus: Corpus, report: Callable[[Progress], None]) -> None:
    """In a process of its own, which has nothing to hand over but what it writes."""
    execute(cell, corpus, report)
