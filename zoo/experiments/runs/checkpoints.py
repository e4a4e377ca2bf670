"""Checkpoints of a run in its working folder: the last two, with a digest that detects damage.

checkpoint-<steps>-<SHA-256>.safetensors     a `RunState`: tensors, and values as JSON
state-<steps>-<SHA-256>.safetensors          the same, kept with the run: runs of larger budgets continue from it
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from zoo import interrupt
from zoo.errors import RunError
from zoo.regular_file import require_regular
from zoo.training.run_state import RunState
from zoo.training.tensor_file import from_file, to_file
from zoo.whole_file import write_whole

KEPT = 2
MOST = 0.01
"""Maximum fraction of the time for checkpoints; those of large models are written less often than requested."""
PATTERN = "checkpoint-*.safetensors"
STATE = "state-*.safetensors"


class Checkpoints:
    """A `Keeper` that writes checkpoints at intervals, and when the process is asked to stop.

    Args:
        folder: working folder of the run.
        fingerprint: fingerprint of the run, or of the first run of a stack; checkpoints of others are refused.
        every: minimum seconds between two checkpoints.
        keeps: whether longer runs may continue from this one.
    """

    def __init__(self, folder: Path, fingerprint: str, every: float, *, keeps: bool = False) -> None:
        self._folder, self._fingerprint, self._every, self._keeps = folder, fingerprint, every, keeps
        self._last, self._took = time.monotonic(), 0.0

    def load(self, note: Callable[[str], None]) -> RunState | None:
        """Return the newest undamaged checkpoint, or None. `note` receives a message about each damaged one.

        Raises:
            RunError: it belongs to another run.
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
        """Write a checkpoint if one is due or the process was asked to stop.

        Raises:
            RunError: it cannot be written.
            Interrupted: after the checkpoint, if the process was asked to stop.
        """
        asked = interrupt.requested()
        began = time.monotonic()
        if not asked and began - self._last < max(self._every, self._took / MOST):
            return
        self._write(take())
        self._last = time.monotonic()
        self._took = self._last - began
        if asked:
            interrupt.stop()

    def keep(self, state: RunState) -> None:
        """Write the state from which longer runs continue, if `keeps`."""
        if self._keeps:
            self._write(state, "state")
            for older in sorted(self._folder.glob(STATE), key=lambda path: path.stat().st_mtime_ns)[:-1]:
                older.unlink(missing_ok=True)

    def begin_at(self, state: RunState) -> bool:
        """Write a state as the first checkpoint, unless the run has one; return whether it was written."""
        begins = not any(self._folder.glob(PATTERN))
        if begins:
            self._write(state)
        return begins

    def _write(self, state: RunState, kind: str = "checkpoint") -> None:
        data = to_file(state.tensors, {"fingerprint": self._fingerprint, "state": state.values})
        name = f"{kind}-{state.values['steps']:012d}-{hashlib.sha256(data).hexdigest()}.safetensors"
        write_whole(self._folder / name, data)
        for older in sorted(self._folder.glob(PATTERN))[:-KEPT]:
            older.unlink(missing_ok=True)


def read_kept_state(run: Path, fingerprint: str) -> RunState:
    """Read the state from which longer runs continue.

    Raises:
        RunError: it is missing, damaged, or of another run.
    """
    for path in run.glob(STATE):
        try:
            tensors, values = _read(path)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            raise RunError(f"its state '{path.name[:18]}…' is damaged ({error})") from None
        if values["fingerprint"] == fingerprint:
            return RunState(tensors, values["state"])
    raise RunError("its state is not there any more")


def _read(path: Path) -> tuple[dict, dict]:  # type: ignore[type-arg]
    require_regular(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != path.stem.rpartition("-")[2]:
        raise ValueError("its content is not what was written")
    tensors, values = from_file(data)
    if not isinstance(values.get("state"), dict) or "fingerprint" not in values:
        raise ValueError("it holds no state of a run")
    return tensors, values
