"""Write files atomically: whole or not at all, even if the process is killed or the disk fills up.

.<name>.<process>.partial     a file being written, locked by its process; unlocked, it is a leftover
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
    """Write to a temporary file beside `path`, sync and rename it; removes leftovers of killed processes.

    Raises:
        RunError: the file cannot be written, as on a full disk; an older file at `path` stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        remove_unfinished(path)
        with _create(partial) as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                partial.replace(path)  # while locked, or another process might remove it
        if fcntl is None:
            partial.replace(path)  # Windows cannot rename an open file
        _sync(path.parent)
    except OSError as error:
        raise RunError(f"Cannot write '{path}': {error.strerror or error}.") from None
    finally:
        with suppress(OSError):  # fails on a read-only disk too, and would hide the first error
            partial.unlink(missing_ok=True)


def remove_unfinished(path: Path) -> None:
    """Remove partial files of `path` that killed processes left; locks protect those of living processes."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial") if fcntl is not None else []:
        with suppress(OSError):
            handle = os.open(partial, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                partial.unlink(missing_ok=True)
            finally:
                os.close(handle)


def _create(partial: Path) -> BinaryIO:
    """Open a partial file, locked while it is open if the file system has locks."""
    while True:
        file = partial.open("ab")  # truncated only once locked: a process elsewhere may have the same number
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                file.truncate(0)
                return file
        file.close()  # another process renamed or removed it before we locked it


def _sync(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a crash."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
