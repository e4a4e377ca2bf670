"""Execute cells, each in its way: sequentially, side by side, or the seeds of a model as a stack.

The cells of a command have a process each. From Python they run in the calling process, which has the debugger and a
model's own variables, unless they run side by side.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from zoo import interrupt
from zoo.data.corpus import Corpus
from zoo.errors import RunError
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.runs.failure import is_own_trouble, record_deaths, record_failures
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.train import execute, execute_stack
from zoo.experiments.runs.watch import watch
from zoo.experiments.runs.workers import Death, can_fork, count_cores, run_in_processes
from zoo.experiments.runs.working_folder import BusyError
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


Group = tuple[Cell, ...]
"""Cells that are executed together: a single one, or all of a stack."""


def execute_all(cells: Sequence[Cell], corpus: Corpus, listener: Listener) -> list[Run]:
    """Return the run of each cell, in order: read finished ones, execute the others, wait for those of other processes.

    Several cells of a command have a process each if possible, so that a crash ends only one.

    Raises:
        RunError: as `execute`; or a cell failed and `listener.stop_at_first_failure` is set.
    """
    there, waited_for = {cell.directory for cell in cells if is_done(cell.directory)}, set[Path]()
    runs: dict[Path, Run] = {}

    def finish(group: Group) -> None:
        for cell in group:
            run = runs[cell.directory] = read_run(cell.directory)
            listener.finished(cell, run, reused=cell.directory in there | waited_for)
            if run.result.status == "failed" and listener.stop_at_first_failure:
                raise RunError(f"Stopped at the first failure: {cell.config.label} under seed {cell.config.seed}.")

    todo = _group(cells)
    apart = len(todo) > 1 and interrupt.listens() and can_fork()
    beside = [group for group in todo if _is_beside(group) and group[0].directory not in there]
    _execute_in_processes(beside, corpus, listener, finish, at_once=count_cores())
    while todo := [group for group in todo if group[0].directory not in runs]:
        for group in todo:
            if apart and not all(is_done(cell.directory) for cell in group):
                _execute_in_processes([group], corpus, listener, finish, at_once=1)
            elif _execute(group, corpus, listener.progressed):
                finish(group)
        busy = [cell for group in todo for cell in group if cell.directory not in runs]
        for cell in busy:
            if cell.directory not in waited_for:
                listener.waiting(cell)
                waited_for.add(cell.directory)
        time.sleep(PAUSE if busy else 0)
    return [runs[cell.directory] for cell in cells]


def _group(cells: Sequence[Cell]) -> list[Group]:
    groups: dict[str | Path, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.config.label if cell.config.stack else cell.directory, []).append(cell)
    return [tuple(group) for group in groups.values()]


def _is_beside(group: Group) -> bool:
    return group[0].config.training.execution == "side-by-side"


def _execute_in_processes(
    groups: Sequence[Group], corpus: Corpus, listener: Listener, finish: Callable[[Group], None], *, at_once: int
) -> None:
    """Execute each group in a process; call `finish` for each that ends, except those of other processes."""

    def progress(number: int, news: tuple[int, Progress]) -> None:
        listener.progressed(groups[number][news[0]], news[1])

    def end(number: int, free: bool) -> None:
        if free:
            finish(groups[number])

    def bury(number: int, death: Death) -> None:
        with suppress(BusyError):
            record_deaths(groups[number], death)
            finish(groups[number])

    tasks = [partial(_execute_in_a_worker, group, corpus) for group in groups]
    run_in_processes(tasks, at_once=at_once, on_news=progress, on_outcome=end, on_death=bury)


def _execute_in_a_worker(group: Group, corpus: Corpus, send: Callable[[tuple[int, Progress]], None]) -> bool:
    return _execute(group, corpus, lambda cell, progress: send((group.index(cell), progress)))


def _execute(group: Group, corpus: Corpus, report: Callable[[Cell, Progress], None]) -> bool:
    """Write the runs of a group, or the records of their failure; return False if another process executes it."""
    try:
        try:
            if group[0].config.stack:
                execute_stack(group, corpus, report, watch)
            else:
                execute(group[0], corpus, partial(report, group[0]), watch)
        except BaseException as error:
            if not is_own_trouble(error):
                raise
            record_failures(group, error)
    except BusyError:
        return False
    return True
