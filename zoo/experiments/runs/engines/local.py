"""Execute units on this machine: in processes, side by side or one after the other, or in this process.

The cells of a command have a process each. From Python they run in the calling process, which has the debugger and a
model's own variables, unless they run side by side.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from zoo import interrupt
from zoo.data.corpus import Corpus
from zoo.experiments.records.run import is_done
from zoo.experiments.runs.engines.interface import Finish, Report, Unit
from zoo.experiments.runs.engines.unit import execute_unit, is_finished
from zoo.experiments.runs.failure import record_deaths
from zoo.experiments.runs.workers import Death, can_fork, count_cores, run_in_processes
from zoo.experiments.runs.working_folder import BusyError
from zoo.training.loop import Progress


class LocalEngine:
    """Executes units in the ways that a probe chose for them; a crash ends only one."""

    def __init__(self) -> None:
        self._several = False  # whether a crash would end other units of this command

    def check(self) -> None:
        """Do nothing: this machine can be reached."""

    def execute(self, units: Sequence[Unit], corpus: Corpus, report: Report, finish: Finish) -> None:
        """As `Engine.execute`; several units have a process each if possible."""
        self._several = self._several or len(units) > 1
        apart = self._several and interrupt.listens() and can_fork()
        beside = {unit[0].directory for unit in units if _is_beside(unit) and not is_done(unit[0].directory)}
        at_once = [unit for unit in units if unit[0].directory in beside]
        _execute_in_processes(at_once, corpus, report, finish, at_once=count_cores())
        for unit in units:
            if unit[0].directory in beside:
                continue
            if apart and not is_finished(unit):
                _execute_in_processes([unit], corpus, report, finish, at_once=1)
            elif execute_unit(unit, corpus, report):
                finish(unit)

    def close(self) -> None:
        """Do nothing: processes end with their units."""


def _is_beside(unit: Unit) -> bool:
    return unit[0].config.training.execution == "side-by-side"


def _execute_in_processes(
    units: Sequence[Unit], corpus: Corpus, report: Report, finish: Finish, *, at_once: int
) -> None:
    """Execute each unit in a process; call `finish` for each that ends, except those of other processes."""

    def progress(number: int, news: tuple[int, Progress]) -> None:
        report(units[number][news[0]], news[1])

    def end(number: int, free: bool) -> None:
        if free:
            finish(units[number])

    def bury(number: int, death: Death) -> None:
        with suppress(BusyError):
            record_deaths(units[number], death)
            finish(units[number])

    tasks = [partial(_execute_in_a_worker, unit, corpus) for unit in units]
    run_in_processes(tasks, at_once=at_once, on_news=progress, on_outcome=end, on_death=bury)


def _execute_in_a_worker(unit: Unit, corpus: Corpus, send: Callable[[tuple[int, Progress]], None]) -> bool:
    return execute_unit(unit, corpus, lambda cell, progress: send((unit.index(cell), progress)))
