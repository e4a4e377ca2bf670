"""The files that hold one text: what they are, how large, and how they are read."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from zoo.data import json_lines, parquet
from zoo.data.compressed import cannot_read_error, find_suffix, is_compressed, read_blocks

BLOCK = 1 << 19

Kind = Literal["plain text", "compressed text", "JSON lines", "Parquet"]
"""What a file holds, by its name; the last two hold documents."""

Stamp = list[tuple[int, int]]
"""Size and time of the last change of every file."""


def find_kind(file: Path) -> Kind:
    """What a file holds, by its name."""
    suffix = find_suffix(file)
    if suffix in json_lines.SUFFIXES:
        return "JSON lines"
    if file.suffix.lower() == parquet.SUFFIX:
        return "Parquet"
    return "compressed text" if is_compressed(file) else "plain text"


@dataclass(frozen=True)
class TextFiles:
    """Files of one kind, or plain and compressed text together, that hold one text.

    Args:
        place: name of the file, directory or pattern.
        files: in the order of the text.
        several: whether they come from a directory or a pattern, where each file of text ends in a newline.
        field: key or column of a document.
    """

    place: str
    files: Sequence[Path]
    several: bool = False
    field: str = "text"

    @property
    def name(self) -> str:
        """Name in reports."""
        return self.name_with(len(self.files))

    def name_with(self, count: int) -> str:
        """Name in reports if `count` of the files hold text."""
        return f"{self.place} ({count:,} files)" if self.several else self.place

    @property
    def hold_documents(self) -> bool:
        """Whether these are files with one document per line or row."""
        return find_kind(self.files[0]) in ("JSON lines", "Parquet")

    @property
    def are_plain(self) -> bool:
        """Whether all of them are text that is not compressed."""
        return all(find_kind(file) == "plain text" for file in self.files)

    def exceed(self, limit: int) -> bool:
        """Whether the text has more than `limit` bytes, unpacked.

        Raises:
            DataError: a file cannot be read.
        """
        if find_kind(self.files[0]) != "Parquet" and not any(map(is_compressed, self.files)):
            total = sum(_status(file).st_size for file in self.files)
            if not self.hold_documents or total <= limit:
                return total > limit
        count = 0
        for size in self._sizes():
            count += size
            if count > limit:
                return True
        return False

    def _sizes(self) -> Iterator[int]:
        for file in self.files:
            if self.hold_documents:
                yield from (len(text) + 1 for _, text in read_values(file, self.field) if isinstance(text, str))
            else:
                yield from map(len, read_blocks(file, BLOCK))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the unpacked bytes of a single file of text; otherwise of those of all files.

        Raises:
            DataError: a file cannot be read.
        """
        digests = [_digest(file) for file in self.files]
        if not self.several and not self.hold_documents:
            return digests[0]
        kind = ["documents", self.field] if self.hold_documents else ["text"]
        return hashlib.sha256(json.dumps([*kind, *digests]).encode()).hexdigest()

    def stamp(self) -> Stamp:
        """Size and time of the last change of every file.

        Raises:
            DataError: a file is missing.
        """
        return [((status := _status(file)).st_size, status.st_mtime_ns) for file in self.files]


def _status(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise cannot_read_error(file, error) from None


def _digest(file: Path) -> str:
    """SHA-256 of the unpacked bytes of a file."""
    digest = hashlib.sha256()
    for block in read_blocks(file, BLOCK):
        digest.update(block)
    return digest.hexdigest()


def read_values(file: Path, field: str) -> Iterator[tuple[int, object]]:
    """Yield number of the line or row, and the value of `field`, of a file that holds documents.

    Raises:
        DataError: the file cannot be read.
    """
    return (parquet.read_column if find_kind(file) == "Parquet" else json_lines.read_field)(file, field)
