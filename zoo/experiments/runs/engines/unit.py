"""Form units from cells, and execute one in this process."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from zoo.data.corpus import Corpus
from zoo.experiments.records.run import is_done
from zoo.experiments.runs.engines.interface import Report, Unit
from zoo.experiments.runs.failure import is_own_trouble, record_failures
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.train import execute, execute_stack
from zoo.experiments.runs.watch import watch
from zoo.experiments.runs.working_folder import BusyError


def form_units(cells: Sequence[Cell]) -> list[Unit]:
    """Return the cells in the units in which they are executed."""
    units: dict[str | Path, list[Cell]] = {}
    for cell in cells:
        units.setdefault(cell.config.label if cell.config.stack else cell.directory, []).append(cell)
    return [tuple(unit) for unit in units.values()]


def is_finished(unit: Unit) -> bool:
    """Return whether no cell of a unit need be executed."""
    return all(is_done(cell.directory) for cell in unit)


def execute_unit(unit: Unit, corpus: Corpus, report: Report) -> bool:
    """Write the runs of a unit, or the records of their failure; return False if another process executes it."""
    try:
        try:
            if unit[0].config.stack:
                execute_stack(unit, corpus, report, watch)
            else:
                execute(unit[0], corpus, partial(report, unit[0]), watch)
        except BaseException as error:
            if not is_own_trouble(error):
                raise
            record_failures(unit, error)
    except BusyError:
        return False
    return True
