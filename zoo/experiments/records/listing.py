"""List the runs below a folder, a row each; many are read with all cores."""

import fnmatch
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from zoo.errors import RunError
from zoo.experiments.records.run import find_runs, read_run

SHOWN = ("status", "parameters", "tokens", "validation_loss", "test_loss")
"""What a row has of the results."""
MANY = 2000
"""Number of runs from which on all cores read."""
CHUNK = 250
"""Number of runs that a process reads at a time."""


def list_runs(out: str, pattern: str) -> list[dict[str, Any]]:
    """List a row for each run below `out` whose path matches the shell pattern; a damaged one has the fault."""
    above = len(Path(out).parts)
    named = [(os.sep.join(path.parts[above:]), path) for path in find_runs(Path(out))]
    wanted = [(name, path) for name, path in named if fnmatch.fnmatchcase(name, pattern)]
    if len(wanted) < MANY:
        return [_list_run(name, path) for name, path in wanted]
    with multiprocessing.Pool(initializer=_leave_interrupts) as pool:
        return pool.starmap(_list_run, wanted, chunksize=CHUNK)


def _list_run(name: str, path: Path) -> dict[str, Any]:
    try:
        run = read_run(path)
    except RunError as error:
        return {"run": name, "status": "damaged", "fault": str(error)}
    return {"run": name, "corpus": run.recorded.data.name, **{key: getattr(run.result, key) for key in SHOWN}}


def _leave_interrupts() -> None:
    """Leave Ctrl-C to the process that waits, which ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
