"""Execute cells, each in its way: one after the other, side by side, or the seeds of a model as a stack."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.errors import RunError
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.runs.failure import is_own_trouble, record_failure, record_failures
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.train import execute, execute_stack
from zoo.experiments.runs.workers import count_cores, run_side_by_side
from zoo.experiments.runs.working_folder import BusyError
from zoo.training.loop import Progress

PAUSE = 0.5
"""Seconds between two looks at what another process works on."""


class Listener:
    """What a study tells while it runs; every method does nothing until somebody overrides it."""

    stop_at_first_failure = False
    """Whether a cell that failed ends the study."""

    def planned(self, runs: int) -> None:
        """All cells are sound, nothing has been trained; so many runs are to come."""

    def progressed(self, cell: Cell, progress: Progress) -> None:
        """A few more steps, or an evaluation."""

    def finished(self, cell: Cell, run: Run, *, reused: bool) -> None:
        """One more cell is done."""

    def waiting(self, cell: Cell) -> None:
        """Another process works on this cell; the others come first."""


def execute_all(cells: Sequence[Cell], corpus: Corpus, listener: Listener) -> list[Run]:
    """The run of each cell, in their order; what is there already is read, and what others work on is waited for.

    Raises:
        RunError: as `execute`; or a cell failed, and that is to end the study.
    """
    there = {cell.directory for cell in cells if is_done(cell.directory)}
    beside = [
        cell for cell in cells if cell.config.training.execution == "side-by-side" and cell.directory not in there
    ]
    done = _execute_side_by_side(beside, corpus, listener)
    runs: dict[Path, Run] = {}
    todo, told = list(cells), set[Path]()
    while todo:
        busy = []
        for cell in todo:
            if cell.directory in runs:
                continue
            if cell.directory in done:
                runs[cell.directory] = read_run(cell.directory)
                continue
            try:
                together, found = _execute_with_its_stack(cell, cells, corpus, listener)
            except BusyError:
                busy.append(cell)
                continue
            for own, run in zip(together, found, strict=True):
                runs[own.directory] = run
                _finish(own, run, listener, reused=own.directory in there | told)
        for cell in busy:
            if cell.directory not in told:
                listener.waiting(cell)
                told.add(cell.directory)
        time.sleep(PAUSE if busy else 0)
        todo = busy
    return [runs[cell.directory] for cell in cells]


def _finish(cell: Cell, run: Run, listener: Listener, *, reused: bool) -> None:
    listener.finished(cell, run, reused=reused)
    if run.result.status == "failed" and listener.stop_at_first_failure:
        raise RunError(f"Stopped at the first failure: {cell.config.label} under seed {cell.config.seed}.")


def _execute_side_by_side(cells: Sequence[Cell], corpus: Corpus, listener: Listener) -> set[Path]:
    """Execute cells in processes; the directories of those that were free, and are runs by now."""
    done = set[Path]()

    def progress(number: int, news: Progress) -> None:
        listener.progressed(cells[number], news)

    def finish(number: int, free: bool) -> None:
        if free:
            done.add(cells[number].directory)
            _finish(cells[number], read_run(cells[number].directory), listener, reused=False)

    tasks = [partial(_execute_in_a_worker, cell, corpus) for cell in cells]

    def bury(number: int, reason: str) -> None:
        cell = cells[number]
        with suppress(BusyError):
            run = record_failure(cell, f"{cell.model.who} failed: {reason}")
            done.add(cell.directory)
            _finish(cell, run, listener, reused=False)

    run_side_by_side(tasks, at_once=count_cores(), on_news=progress, on_outcome=finish, on_death=bury)
    return done


def _execute_with_its_stack(
    cell: Cell, cells: Sequence[Cell], corpus: Corpus, listener: Listener
) -> tuple[list[Cell], list[Run]]:
    """A cell, with the others of its stack where it has one, and their runs."""
    together = [other for other in cells if other.config.label == cell.config.label] if cell.config.stack else [cell]
    try:
        if cell.config.stack:
            return together, execute_stack(together, corpus, listener.progressed)
        return together, [execute(cell, corpus, partial(listener.progressed, cell))]
    except BaseException as error:
        if not is_own_trouble(error):
            raise
        return together, record_failures(together, error)


def _execute_in_a_worker(cell: Cell, corpus: Corpus, report: Callable[[Progress], None]) -> bool:
    """Whether nobody else works on it; all else is handed over by what is written."""
    try:
        execute(cell, corpus, report)
    except BusyError:
        return False
    except BaseException as error:
        if not is_own_trouble(error):
            raise
        try:
            record_failures([cell], error)
        except BusyError:
            return False
    return True
