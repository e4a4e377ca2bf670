"""Checkpoints of a run in its working folder: the last two, each whole or recognised as damaged.

checkpoint-<steps>-<SHA-256>.safetensors     a `RunState`: tensors, and its values as JSON beside them
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from zoo import interrupt
from zoo.errors import RunError
from zoo.training.run_state import RunState
from zoo.training.tensor_file import from_file, to_file

KEPT = 2
PATTERN = "checkpoint-*.safetensors"


class Checkpoints:
    """Keeps the state of a run by the clock, and when the process is asked to stop.

    Args:
        folder: the run's working folder.
        fingerprint: of the run, or of all runs of a stack; a checkpoint of another one is not used.
        every: seconds between two checkpoints.
    """

    def __init__(self, folder: Path, fingerprint: str, every: float) -> None:
        self._folder, self._fingerprint, self._every = folder, fingerprint, every
        self._last = time.monotonic()

    def load(self, note: Callable[[str], None]) -> RunState | None:
        """The newest checkpoint that is whole; None where there is none. `note` is told of a damaged one.

        Raises:
            RunError: it is of another run.
        """
        for path in sorted(self._folder.glob(PATTERN), reverse=True):
            try:
                tensors, values = _read(path)
            except (OSError, SafetensorError, ValueError, KeyError) as error:
                note(f"checkpoint '{path.name[:23]}…' is damaged ({error}): the one before is used, if there is one")
                continue
            if values["fingerprint"] != self._fingerprint:
                raise RunError(f"Checkpoint '{path}' is of run {values['fingerprint']}, not of {self._fingerprint}.")
            return RunState(tensors, values["state"])
        return None

    def offer(self, take: Callable[[], RunState]) -> None:
        """Write a checkpoint if one is due, or if the process is asked to stop.

        Raises:
            RunError: it cannot be written.
            Interrupted: the process was asked to stop, and the checkpoint is written.
        """
        asked = interrupt.requested()
        if not asked and time.monotonic() - self._last < self._every:
            return
        self._write(take())
        self._last = time.monotonic()
        if asked:
            interrupt.stop()

    def _write(self, state: RunState) -> None:
        data = to_file(state.tensors, {"fingerprint": self._fingerprint, "state": state.values})
        name = f"checkpoint-{state.values['steps']:012d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        path, partial = self._folder / name, self._folder / f".{name}.partial"
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _sync(self._folder)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RunError(f"Cannot write checkpoint '{path}': {error.strerror}.") from None
        for older in sorted(self._folder.glob(PATTERN))[:-KEPT]:
            older.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict, dict]:  # type: ignore[type-arg]
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem.rpartition("-")[2]:
        raise ValueError("its content is not what was written")
    return from_file(data)


def _sync(folder: Path) -> None:
    """Make a rename in a folder last."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
