"""Read a large text file a piece at a time."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.compressed import read_blocks
from zoo.data.files import decode_text
from zoo.data.vocabulary import code_points

PIECE = 1 << 19
"""Bytes read at a time, few enough for a CPU cache."""
NEWLINE = ord("\n")

Codes = NDArray[Any]
"""(n,) bytes (uint8), ASCII code points (uint8) or code points (uint32)."""

LONGEST_LINE = 1 << 16
"""Maximum bytes of a line that is never cut; a longer line is too long for a document and may come in parts."""

WINDOW = 256
"""Codes among which the end of a document is searched, to show without counting that none is long."""

LAST_ASCII_SPACE = 32
SPACES = {
    True: np.array([bytes([code]).isspace() for code in range(256)]),
    False: np.array([chr(code).isspace() for code in range(0x3002)]),  # U+3000 is the last
}


class Lines:
    """Several documents that are not blank, each with its end; a very long line comes in parts, without an end.

    Args:
        codes: (n,) the documents, one after the other.
        are_ends: (n,) which of the codes end a document.
        gap: whether a blank line was removed before the last of these lines.
        trailing: whether a blank line was removed after the last of these lines.
    """

    def __init__(self, codes: Codes, are_ends: NDArray[np.bool_], *, gap: bool = False, trailing: bool = False) -> None:
        self.codes, self.are_ends, self.gap, self.trailing = codes, are_ends, gap, trailing

    def __len__(self) -> int:
        """Number of documents; a part of a long line is one."""
        return int(np.count_nonzero(self.are_ends)) or min(1, len(self.codes))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(documents,) number of codes of each, with its end."""
        ends = np.flatnonzero(self.are_ends)
        return np.diff(ends, prepend=-1) if len(ends) else np.full(len(self), len(self.codes) + 1)

    def find_longest(self) -> tuple[int, int]:
        """Index of the longest document, and its number of codes without its end."""
        longest = int(self.lengths.argmax())
        return longest, int(self.lengths[longest]) - 1

    def are_shorter(self, limit: int) -> bool:
        """Whether all documents are certainly shorter than `limit`: an end stands in every window of codes."""
        whole = len(self.codes) // WINDOW * WINDOW
        return limit >= 2 * WINDOW and bool(self.are_ends[:whole].reshape(-1, WINDOW).any(axis=1).all())


def read_pieces(path: Path, *, as_bytes: bool, lines: bool = False, ended: bool = False) -> Iterator[Codes]:
    """Yield a text, decoded by `decode_text`, in pieces.

    Args:
        as_bytes: yield bytes instead of code points.
        lines: end pieces at ends of lines, end the text with a newline, and replace CRLF by LF in bytes too.
        ended: end the text with a newline.

    Raises:
        DataError: the file cannot be read, or has a NUL byte or bytes that are not UTF-8; the message has their place.
    """
    offset = line = 0
    rest, block = b"", b"-"
    blocks = read_blocks(path, PIECE)
    while block:
        block = next(blocks, b"")
        raw = rest + block
        end = b"\n" if (lines or ended) and not block and raw and raw[-1] != NEWLINE else b""
        cut = _find_end(raw, lines) if block else len(raw)
        raw, rest = raw[:cut], raw[cut:]
        if as_bytes:
            codes = np.frombuffer((raw + end).replace(b"\r\n", b"\n") if lines else raw + end, np.uint8)
        else:
            codes = _decode(raw, end, path.name, offset, line)
        offset, line = offset + cut, line + int(np.count_nonzero(np.frombuffer(raw, np.uint8) == NEWLINE))
        if len(codes):
            yield codes


def is_blank(path: Path) -> bool:
    """Whether a file has nothing but spaces and line ends.

    Raises:
        DataError: the file cannot be read.
    """
    return all(block.decode(errors="replace").isspace() for block in read_blocks(path, PIECE) if block)


def split_lines(pieces: Iterator[Codes], *, as_bytes: bool) -> Iterator[Lines]:
    """Yield the lines that are not blank, many at a time, of pieces that were read as lines."""
    spaces = SPACES[as_bytes]
    for codes in pieces:
        are_ends = codes == NEWLINE
        if _may_have_blanks(codes, are_ends):
            yield _drop_blanks(codes, np.flatnonzero(are_ends), spaces)
        else:
            yield Lines(codes, are_ends)


def _may_have_blanks(codes: Codes, are_ends: NDArray[np.bool_]) -> bool:
    """Whether a line begins with a space or newline, or with a character beyond ASCII, which may be a space."""
    if codes.dtype != np.uint8:
        return True
    are_low = codes <= LAST_ASCII_SPACE
    return bool(are_low[0] or (are_ends[:-1] & are_low[1:]).any())


def _drop_blanks(codes: Codes, ends: NDArray[np.int64], spaces: NDArray[np.bool_]) -> Lines:
    starts = np.concatenate([[0], ends[:-1] + 1])
    if not len(ends) or not _are_spaces(spaces, codes[starts]).any():
        return Lines(codes, codes == NEWLINE)
    kept = np.logical_or.reduceat(~_are_spaces(spaces, codes), starts)
    codes = codes[np.repeat(kept, ends - starts + 1)]
    found = np.flatnonzero(kept)
    last = int(found[-1]) + 1 if len(found) else 0
    return Lines(codes, codes == NEWLINE, gap=last > len(found), trailing=last < len(kept))


def _are_spaces(spaces: NDArray[np.bool_], codes: Codes) -> NDArray[np.bool_]:
    return spaces[codes if codes.dtype == np.uint8 else np.minimum(codes, len(spaces) - 1)]


def _decode(raw: bytes, end: bytes, name: str, offset: int, line: int) -> Codes:
    if raw.isascii() and b"\0" not in raw and b"\r" not in raw:
        return np.frombuffer(raw + end if end else raw, np.uint8)
    text = decode_text(raw, name, as_bytes=False, offset=offset, line=line)
    assert isinstance(text, str)
    text += end.decode()
    return np.frombuffer(text.encode(), np.uint8) if text.isascii() else code_points(text)


def _find_end(raw: bytes, lines: bool) -> int:
    """Position where a piece may end: after a line, or between characters except CR and LF."""
    if lines and ((after := raw.rfind(b"\n") + 1) or len(raw) <= LONGEST_LINE):
        return after
    cut = len(raw) - 1
    while cut > max(0, len(raw) - 5) and (raw[cut] & 0xC0) == 0x80:
        cut -= 1
    return cut - 1 if cut and raw[cut - 1] == ord("\r") else cut
