"""What comes back from a worker: the directories of the runs as bytes, or only the word that they are written."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo.errors import RunError
from zoo.experiments.records.run import LOSSES, WEIGHTS, Run, is_done, read_run
from zoo.experiments.runs.engines.interface import Unit
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.working_folder import BusyError, work_on, write_failure
from zoo.whole_file import write_whole

RESULT = "result.json"


@dataclass(frozen=True)
class Returned:
    """The outcome of a unit on a worker."""

    state: Literal["written", "sent", "busy", "refused"]
    """Written into the study's folder, which the worker sees; sent as bytes; executed by another process; refused."""
    node: str
    reason: str = ""
    """Why it is refused."""
    runs: tuple[Mapping[str, bytes], ...] = ()
    """Name of a file -> content, of every run that is sent."""


def collect_files(directory: Path) -> dict[str, bytes]:
    """Return the files of a run."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.is_file()}


def receive(unit: Unit, returned: Returned) -> None:
    """Check the runs that a worker wrote, or write and check those that it sent.

    Raises:
        BusyError: another process executes one of them.
        RunError: what came back is not the run of a cell, or cannot be written.
    """
    if returned.state == "written":
        for cell in unit:
            _check(cell, cell.directory, returned.node)
        return
    for cell, files in zip(unit, returned.runs, strict=True):
        try:
            _write(cell, files, returned.node)
        except BusyError:
            if not is_done(cell.directory):
                raise


def _write(cell: Cell, files: Mapping[str, bytes], node: str) -> None:
    """Write a run, its result last."""
    if RESULT not in files or any(Path(name).name != name for name in files):
        raise RunError(f"Node {node} gave files that are not those of a run.")
    failed = json.loads(files[RESULT]).get("status") == "failed"
    with (write_failure if failed else work_on)(cell.directory) as place:
        for name in sorted(files, key=lambda name: name == RESULT):
            write_whole(place / name, files[name])
        _check(cell, place, node)


def _check(cell: Cell, place: Path, node: str) -> None:
    if fault := _find_fault(cell, read_run(place)):
        raise RunError(f"Node {node} gave another run than '{cell.directory}': {fault}.")


def _find_fault(cell: Cell, run: Run) -> str:
    """Say how a run is not that of a cell; "" if it is."""
    if run.recorded.fingerprint != cell.recorded.fingerprint:
        return "its fingerprint is another"
    if run.result.status != "failed":
        for name, digest in ((WEIGHTS, run.result.weights_sha256), (LOSSES, run.result.losses_sha256)):
            if digest and hashlib.sha256((run.directory / name).read_bytes()).hexdigest() != digest:
                return f"its {name} is damaged"
    return ""
