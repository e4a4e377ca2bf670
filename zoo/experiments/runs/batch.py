"""Execute cells by an engine, and wait for those of other processes."""

import time
from collections.abc import Sequence
from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.errors import RunError
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.runs.engines.interface import Engine, Unit
from zoo.experiments.runs.engines.unit import form_units
from zoo.experiments.runs.resolve import Cell
from zoo.training.loop import Progress

PAUSE = 0.5
"""Seconds between checks of cells that another process executes."""


class Listener:
    """Callbacks of a running study; by default every method does nothing."""

    stop_at_first_failure = False
    """Whether a failed cell ends the study."""

    def planned(self, runs: int) -> None:
        """Called before training, with the number of runs, and again before each round of a learning-rate grid."""

    def progressed(self, cell: Cell, progress: Progress) -> None:
        """Called every few steps and after every evaluation."""

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        """Called when a cell is done; `reused` if this study did not execute it."""

    def waiting(self, cell: Cell) -> None:
        """Called when another process executes this cell; the others go first."""


def execute_all(cells: Sequence[Cell], corpus: Corpus, listener: Listener, engine: Engine) -> list[Run]:
    """Return the run of each cell, in order: read finished ones, execute the others, wait for those of other processes.

    Raises:
        RunError: as `Engine.execute`; or a cell failed and `listener.stop_at_first_failure` is set.
    """
    there, waited_for = {cell.directory for cell in cells if is_done(cell.directory)}, set[Path]()
    runs: dict[Path, Run] = {}

    def finish(unit: Unit) -> None:
        for cell in unit:
            run = runs[cell.directory] = read_run(cell.directory)
            listener.finished(cell, run, reused=cell.directory in there | waited_for)
            if run.result.status == "failed" and listener.stop_at_first_failure:
                raise RunError(f"Stopped at the first failure: {cell.config.label} under seed {cell.config.seed}.")

    todo = form_units(cells)
    while todo:
        engine.execute(todo, corpus, listener.progressed, finish)
        todo = [unit for unit in todo if unit[0].directory not in runs]
        for cell in (cell for unit in todo for cell in unit if cell.directory not in waited_for):
            listener.waiting(cell)
            waited_for.add(cell.directory)
        time.sleep(PAUSE if todo else 0)
    return [runs[cell.directory] for cell in cells]
