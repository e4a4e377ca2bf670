"""Open only regular files, and read them up to a limit: a pipe or a device may never end.

A refused file raises `OSError` with the reason in `strerror`, as a missing file does.
"""

import errno
import io
import os
import stat
from pathlib import Path

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
}
UNITS = {1 << 30: "GiB", 1 << 20: "MiB", 1 << 10: "KiB", 1: "bytes"}


def require_regular(path: Path | str) -> os.stat_result:
    """Status of a regular file; follows links. Does not open the file, since opening a pipe or device may block or act.

    Raises:
        OSError: the file does not exist or is of another kind.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "of another kind")
        raise OSError(errno.EINVAL, f"it is {kind}, and only a regular file is read", str(path))
    return status


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file to read bytes.

    Raises:
        OSError: as `require_regular`, or the file cannot be opened.
    """
    require_regular(path)
    return path.open("rb")


def read_regular(path: Path | str, most: int) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises:
        OSError: as `require_regular`, or the file is larger or cannot be read.
    """
    size = require_regular(path).st_size
    if size <= most:
        with open(path, "rb") as file:
            data = file.read(size + 1)
            if len(data) > size:  # the file has grown, or is in /proc, where sizes are 0
                data += file.read(most + 1 - len(data))
        if len(data) <= most:
            return data
        size = len(data)
    raise OSError(errno.EFBIG, f"it has {size:,} bytes, and at most {describe_size(most)} are read", str(path))


def describe_size(size: int) -> str:
    """A number of bytes in the largest unit that divides it: "64 MiB"."""
    unit = next(unit for unit in UNITS if size % unit == 0)
    return f"{size // unit:,} {UNITS[unit]}"
