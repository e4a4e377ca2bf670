"""Read a large text file a piece at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.data.files import decode_text
from zoo.data.vocabulary import code_points
from zoo.errors import DataError

PIECE = 1 << 19
"""Bytes read at a time, few enough for a CPU cache."""
NEWLINE = ord("\n")

Codes = NDArray[Any]
"""(n,) bytes (uint8), ASCII code points (uint8) or code points (uint32)."""

LONGEST_LINE = 1 << 16
"""Maximum bytes of a line that is never cut; a longer line is too long for a document and may come in parts."""

SPACES = {
    True: np.array([bytes([code]).isspace() for code in range(256)]),
    False: np.array([chr(code).isspace() for code in range(0x3002)]),  # U+3000 is the last
}


class Lines(NamedTuple):
    """Several lines that are not blank, each with its newline."""

    codes: Codes
    ends: NDArray[np.int64]
    """Positions of the newlines."""
    gap: bool
    """Whether a blank line was removed before the last of these lines."""
    trailing: bool
    """Whether a blank line was removed after the last of these lines."""


def read_pieces(path: Path, *, as_bytes: bool, lines: bool = False) -> Iterator[Codes]:
    """Yield a text, decoded by `decode_text`, in pieces.

    Args:
        as_bytes: yield bytes instead of code points.
        lines: end pieces at ends of lines, end the text with a newline, and replace CRLF by LF in bytes too.

    Raises:
        DataError: the file cannot be read, or has a NUL byte or bytes that are not UTF-8; the message has their place.
    """
    offset = line = 0
    rest, block = b"", b"-"
    try:
        with path.open("rb", buffering=0) as file:
            while block:
                block = file.read(PIECE)
                raw = rest + block
                end = "\n" if lines and not block and raw and raw[-1] != NEWLINE else ""
                cut = _find_end(raw, lines) if block else len(raw)
                raw, rest = raw[:cut], raw[cut:]
                text = decode_text(raw, path.name, as_bytes=as_bytes, offset=offset, line=line)
                offset, line = offset + cut, line + int(np.count_nonzero(np.frombuffer(raw, np.uint8) == NEWLINE))
                if isinstance(text, str):
                    text += end
                    codes = np.frombuffer(text.encode(), np.uint8) if text.isascii() else code_points(text)
                else:
                    text = (text + end.encode()).replace(b"\r\n", b"\n") if lines else text
                    codes = np.frombuffer(text, np.uint8)
                if len(codes):
                    yield codes
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}.") from None


def read_lines(path: Path, *, as_bytes: bool) -> Iterator[Lines]:
    """Yield the lines that are not blank, many at a time; a very long line comes in parts without a newline.

    Raises:
        DataError: as `read_pieces`.
    """
    spaces = SPACES[as_bytes]
    for codes in read_pieces(path, as_bytes=as_bytes, lines=True):
        ends = np.flatnonzero(codes == NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        if len(ends) and _are_spaces(spaces, codes[starts]).any():  # a blank line begins with a space or newline
            kept = np.logical_or.reduceat(~_are_spaces(spaces, codes), starts)
            codes = codes[np.repeat(kept, ends - starts + 1)]
            found = np.flatnonzero(kept)
            last = int(found[-1]) + 1 if len(found) else 0
            yield Lines(codes, np.flatnonzero(codes == NEWLINE), last > len(found), last < len(kept))
        else:
            yield Lines(codes, ends, False, False)


def _are_spaces(spaces: NDArray[np.bool_], codes: Codes) -> NDArray[np.bool_]:
    return spaces[codes if codes.dtype == np.uint8 else np.minimum(codes, len(spaces) - 1)]


def _find_end(raw: bytes, lines: bool) -> int:
    """Position where a piece may end: after a line, or between characters except CR and LF."""
    if lines and ((after := raw.rfind(b"\n") + 1) or len(raw) <= LONGEST_LINE):
        return after
    cut = len(raw) - 1
    while cut > max(0, len(raw) - 5) and (raw[cut] & 0xC0) == 0x80:
        cut -= 1
    return cut - 1 if cut and raw[cut - 1] == ord("\r") else cut
