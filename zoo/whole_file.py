"""Write a file so that it is there whole or not at all, whatever ends the process or the disk in between.

.<name>.<process>.partial     a file that is being written: locked by its process; without an owner it is a leftover
"""

import glob
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from zoo.errors import RunError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a temporary file beside it, make it last, and give it its name; what a killed process left of it goes.

    Raises:
        RunError: the disk is full, or anything else that keeps it from being written; what was there stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        remove_unfinished(path)
        with _create(partial) as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                partial.replace(path)  # while it is locked
        if fcntl is None:
            partial.replace(path)  # Windows gives no open file a name
        _sync(path.parent)
    except OSError as error:
        raise RunError(f"Cannot write '{path}': {error.strerror or error}.") from None
    finally:
        with suppress(OSError):  # a read-only disk refuses that too, which is not what is to be told
            partial.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes were writing of a file, where locks tell that no living process does."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial") if fcntl is not None else []:
        with suppress(OSError):
            handle = os.open(partial, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink(missing_ok=True)
            finally:
                os.close(handle)


def _create(partial: Path) -> BinaryIO:
    """Open a file that is locked as long as it is open, where the file system has locks."""
    while True:
        file = partial.open("ab")  # nothing is cut before it is ours: a process of the same number may be elsewhere
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                file.truncate(0)
                return file
        file.close()  # renamed, or taken for a leftover, before it was locked


def _sync(folder: Path) -> None:
    """Make a rename in a folder last."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
