"""A study, run: every cell prepared first, then executed one after the other."""

from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.experiments.cell import Cell, file_name, prepare
from zoo.experiments.record import Run, is_run
from zoo.experiments.run import execute
from zoo.experiments.study import StudyConfig
from zoo.training.loop import Progress


class Listener:
    """What a study tells while it runs; every method does nothing until somebody overrides it."""

    def planned(self, cells: list[Cell]) -> None:
        """All cells are sound, nothing has been trained."""

    def progressed(self, cell: Cell, progress: Progress) -> None:
        """A few more steps, or an evaluation."""

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        """One more cell is done."""


def run_study(study: StudyConfig, corpus: Corpus, out: Path, listener: Listener) -> list[Run]:
    """Train what is not there yet; returns all runs of the study, in its order.

    Raises:
        RegistryError, UsageError, RunError: before anything is trained, if any cell cannot be.
    """
    directory = out / file_name(study.name)
    cells = [prepare(config, corpus, directory) for config in study.runs()]
    listener.planned(cells)
    runs = []
    for cell in cells:
        reused = is_run(cell.directory)
        run = execute(cell, corpus, lambda progress, cell=cell: listener.progressed(cell, progress))  # type: ignore[misc]
        listener.finished(cell, run, reused=reused)
        runs.append(run)
    return runs
