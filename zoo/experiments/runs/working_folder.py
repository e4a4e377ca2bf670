"""The hidden folder that a run is written into: locked by the process that works on it, renamed when all is written.

.<name>.partial/lock             held by one process; the kernel releases it when its owner dies
.<name>.partial/checkpoint-*     states that another process goes on from (`zoo.experiments.runs.checkpoints`)
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import RunError
from zoo.experiments.records.run import is_run

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
CHECKPOINTS = "checkpoint-*"


class BusyError(RunError):
    """Another process works on this run."""


@contextmanager
def work_on(directory: Path) -> Iterator[Path]:
    """A folder to write a run into, which becomes `directory` at the end.

    If the work ends early it stays where it has a checkpoint to go on from, and is removed otherwise.

    Raises:
        BusyError: another process works on it.
        RunError: it cannot be made, or cannot become the directory.
    """
    hidden = directory.with_name(f".{directory.name}.partial")
    with lock(hidden):
        try:
            yield hidden
            _publish(hidden, directory)
        finally:
            if hidden.is_dir() and not any(hidden.glob(CHECKPOINTS)):
                shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Make a folder and hold its lock.

    Raises:
        BusyError: another process holds it.
        RunError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(f"Cannot write '{folder}': {error.strerror}.") from None
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"Another process works on '{folder}'.") from None
            except OSError:  # a file system without locks: as before there were any
                pass
        yield
    finally:
        os.close(handle)


def _publish(hidden: Path, directory: Path) -> None:
    """Give the folder its name, when nothing is in it but the run."""
    for path in [*hidden.glob(CHECKPOINTS), *hidden.glob(f".{CHECKPOINTS}"), hidden / LOCK]:
        path.unlink(missing_ok=True)
    try:
        hidden.rename(directory)
    except OSError as error:
        if not is_run(directory):  # somebody else's finished run of the same fingerprint is as good
            raise RunError(f"Cannot write '{directory}': {error.strerror}.") from None
        with suppress(OSError):
            shutil.rmtree(hidden)
