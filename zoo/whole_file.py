"""Write a file so that it is there whole or not at all, whatever ends the process or the disk in between."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from zoo.errors import RunError


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a temporary file beside it, make it last, and give it its name.

    Raises:
        RunError: the disk is full, or anything else that keeps it from being written; what was there stays.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise RunError(f"Cannot write '{path}': {error.strerror or error}.") from None
    finally:
        with suppress(OSError):  # a read-only disk refuses that too, which is not what is to be told
            partial.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a rename in a folder last."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
