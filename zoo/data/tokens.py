"""The tokens of one split as a flat array of the narrowest type, in memory or in memory-mapped files."""

import mmap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoo.tokens import BOUNDARY, IGNORED

PIECE = 1 << 20
"""Tokens that are counted at a time."""
RELEASED_AFTER = 1024
"""Rows read before pages are released: the system maps up to 64 KB of a file around each place read, and counts all of
it as resident."""


def narrowest_dtype(vocab_size: int) -> np.dtype[Any]:
    """Narrowest unsigned type for the tokens of a vocabulary; int32 if 16 bits are too few."""
    return np.dtype(np.uint8 if vocab_size <= 256 else np.uint16 if vocab_size <= 65_536 else np.int32)


class Tokens(Sequence[NDArray[Any]]):
    """A sequence of documents, each an array of tokens without boundaries; a stream is a single document.

    Args:
        flat: 0 d₁ 0 d₂ 0 ... 0, so that a document with the boundaries around it is one slice; with `answers` the
            documents alone, d₁ d₂ ...
        starts: (documents + 1,) int64, positions of the boundaries in `flat`, or of the first tokens, and its end.
        order: (documents,) index of the document that comes first, second, ...; None: in the order of `flat`.
        mappings: memory-mapped files behind the arrays.
        answers: like `flat`, the target of every token, IGNORED where nothing is scored; None: the next token.
    """

    def __init__(
        self,
        flat: NDArray[Any],
        starts: NDArray[np.int64],
        order: NDArray[np.int32] | None = None,
        mappings: Sequence[mmap.mmap] = (),
        answers: NDArray[np.int32] | None = None,
    ) -> None:
        self.flat, self.starts, self.order, self.answers = flat, starts, order, answers
        self._mappings, self._reads = mappings, 0

    @classmethod
    def of(cls, documents: Iterable[NDArray[Any]], dtype: DTypeLike = np.int32) -> "Tokens":
        """Tokens of documents in memory, of type `dtype`."""
        boundary = np.full(1, BOUNDARY, dtype)
        pieces, lengths = [boundary], [0]
        for document in documents:
            pieces += (document.astype(dtype, copy=False), boundary)
            lengths.append(len(document) + 1)
        return cls(np.concatenate(pieces), np.cumsum(lengths, dtype=np.int64))

    @classmethod
    def split(cls, text: NDArray[Any], lengths: Sequence[int]) -> "Tokens":
        """Tokens of documents that stand one after the other in `text`, of these lengths."""
        ends = np.cumsum(lengths, dtype=np.int64)
        flat = np.full(len(text) + len(lengths) + 1, BOUNDARY, text.dtype)
        between = np.repeat(np.arange(1, len(lengths) + 1), lengths)  # boundaries before each token
        flat[np.arange(len(text)) + between] = text
        return cls(flat, np.concatenate([[0], ends + np.arange(1, len(lengths) + 1)]))

    @classmethod
    def with_answers(cls, text: NDArray[Any], answers: NDArray[Any], lengths: Sequence[int]) -> "Tokens":
        """Tokens of documents with targets of their own, one after the other in both arrays, of these lengths."""
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(text, starts, answers=answers.astype(np.int32))

    @classmethod
    def map_files(cls, directory: Path, dtype: DTypeLike) -> "Tokens":
        """Map the files `tokens`, `starts` and, if it exists, `order` of a directory; pages are read on demand."""
        (flat, text), (starts, places) = _map(directory / "tokens", dtype), _map(directory / "starts", np.int64)
        order = _map(directory / "order", np.int32)[0] if (directory / "order").exists() else None
        return cls(flat, starts, order, (text, places))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, row: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, row: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, row: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        start, length = self.locate(np.array([row % len(self)]))
        return self.flat[start[0] + (self.answers is None) : start[0] + length[0]]

    def locate(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B,) rows -> (B,) positions of the first token that a model sees of each, (B,) numbers of such tokens.

        Without answers these are the boundary before a document and its tokens, so each has a target.
        """
        documents = rows if self.order is None else self.order[rows]
        starts = self.starts[documents]
        return starts, self.starts[documents + 1] - starts

    def take_first(self, rows: int) -> "Tokens":
        """The first rows alone, in memory."""
        if self.answers is None:
            return Tokens.of(self[:rows], self.flat.dtype)
        lengths = self.locate(np.arange(min(rows, len(self))))[1].tolist()
        return Tokens.with_answers(self.flat[: sum(lengths)], self.answers[: sum(lengths)], lengths)

    @property
    def targets(self) -> int:
        """Number of targets of all documents, with their ends; with answers, of the scored ones."""
        return int(self.starts[-1]) if self.answers is None else int((self.answers != IGNORED).sum())

    def count_bytes(self, lengths: NDArray[np.int64]) -> int:
        """Number of bytes of all documents, with their ends, of tokens with these lengths (V,) in bytes."""
        total = 0
        for first in range(1, len(self.flat), PIECE):
            piece = self.flat[first : first + PIECE]
            total += int(np.bincount(piece, minlength=len(lengths)) @ lengths)
            self.count_reads(RELEASED_AFTER)
        return total

    def count_targets(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B,) rows -> (B,) number of targets of each."""
        starts, lengths = self.locate(rows)
        if self.answers is None:
            return lengths
        before = np.concatenate([[0], np.cumsum(self.answers != IGNORED)])
        counts: NDArray[np.int64] = before[starts + lengths] - before[starts]
        return counts

    def count_reads(self, rows: int) -> None:
        """Count rows read from mapped files; every `RELEASED_AFTER` rows, release their pages (which stay cached)."""
        self._reads += rows
        if self._reads >= RELEASED_AFTER:
            self._reads = 0
            for mapping in self._mappings:
                if hasattr(mmap, "MADV_DONTNEED"):
                    mapping.madvise(mmap.MADV_DONTNEED)


def _map(path: Path, dtype: DTypeLike) -> tuple[NDArray[Any], mmap.mmap]:
    """Map a file as an array; writes into the array never reach the file."""
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(mapping, dtype), mapping
