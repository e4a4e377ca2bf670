"""Turn an error that ends a cell into the record of a failed run, so that other cells continue."""

import traceback
from collections.abc import Sequence

from zoo import interrupt
from zoo.blame import describe_error, own_last_lines
from zoo.errors import DataError, RunError, StrangerError, ZooError, shorten
from zoo.experiments.records.environment import describe_environment
from zoo.experiments.records.run import LONGEST_REASON, Result, Run, read_run, write_curve, write_json
from zoo.experiments.runs.identity import device_name
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.workers import Death
from zoo.experiments.runs.working_folder import write_failure
from zoo.interrupt import Interrupted
from zoo.whole_file import write_whole

TRACEBACK = "traceback.txt"
"""File beside the record, for errors other than our own kinds and `SystemExit`."""


def is_own_trouble(error: BaseException) -> bool:
    """Return whether an error concerns one cell (its model, memory, a bug) and not the disk or the user."""
    if isinstance(error, Interrupted) or interrupt.requested():
        return False  # C++ or the model may have turned the interrupt into another error
    if isinstance(error, KeyboardInterrupt):
        return interrupt.listens()  # without our handlers, as in a notebook, it comes from the user
    if isinstance(error, RunError | DataError):
        return isinstance(error, StrangerError)
    return not isinstance(error, OSError)


def record_failures(cells: Sequence[Cell], error: BaseException) -> list[Run]:
    """Record that an error ended these cells, one or all of a stack; return their runs."""
    known = isinstance(error, ZooError | SystemExit)
    trace = "" if known else "".join(traceback.format_exception(error))
    return [_record_failure(cell, describe_failure(cell, error), trace) for cell in cells]


def record_deaths(cells: Sequence[Cell], death: Death) -> list[Run]:
    """Record that the process of these cells died; return their runs."""
    return [
        _record_failure(
            cell,
            "\n  ".join(
                [
                    f"{cell.model.who} failed: its process {death.reason}",
                    *own_last_lines(death.lines, cell.model.kind.__module__),
                ]
            ),
            death.lines,
        )
        for cell in cells
    ]


def _record_failure(cell: Cell, reason: str, trace: str) -> Run:
    """Write the record of a failed cell over an earlier failure; keep a run that another process has finished.

    Raises:
        BusyError: another process is executing it.
    """
    with write_failure(cell.directory) as place:
        write_json(place / "config.json", cell.recorded)
        threads = cell.config.training.threads or 1
        write_json(place / "environment.json", describe_environment(device_name(cell.device), threads))
        write_curve(place / "curve.jsonl", [])
        if trace:
            write_whole(place / TRACEBACK, trace)
        result = Result(
            status="failed",
            reason=shorten(reason, LONGEST_REASON // 2),
            parameters=cell.model.parameters,
            receptive_field=cell.model.receptive_field,
            steps=0,
            tokens=0,
            seconds=0.0,
            best_step=None,
            train_loss=None,
            validation_loss=None,
            test_loss=None,
            tested_at=None,
            execution=str(cell.config.training.execution),
        )
        write_json(place / "result.json", result)
    return read_run(cell.directory)


def describe_failure(cell: Cell, error: BaseException) -> str:
    """Describe why a cell failed; a `StrangerError` already names the model's own lines."""
    if isinstance(error, ZooError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"{cell.model.who} ended the process with sys.exit({error.code})."
    if isinstance(error, KeyboardInterrupt):
        return f"{cell.model.who} raised KeyboardInterrupt."
    return f"{cell.model.who} failed: {describe_error(error)}. See {TRACEBACK} in its folder."
