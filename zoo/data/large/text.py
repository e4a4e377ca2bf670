"""A large text as `tokenize_file` reads it: in pieces of a stream, or as many documents at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from zoo.data.documents import read_documents
from zoo.data.large.read_file import NEWLINE, PIECE, Codes, Lines, is_blank, read_pieces, split_lines
from zoo.data.text_files import TextFiles
from zoo.data.vocabulary import code_points

NUL = 0
AFTER_BYTES = 256


@dataclass(frozen=True)
class LargeText:
    """A text in files.

    Args:
        files: the files.
        as_bytes: whether its codes are bytes instead of code points.
    """

    files: TextFiles
    as_bytes: bool

    @property
    def name(self) -> str:
        """Name in reports."""
        return self.files.name

    @property
    def end(self) -> int:
        """Code that ends a document; it is no code of the text."""
        return (AFTER_BYTES if self.as_bytes else NUL) if self.files.hold_documents else NEWLINE

    def pieces(self, *, lines: bool = False) -> Iterator[Codes]:
        """Yield the text as one stream.

        Args:
            lines: end pieces at ends of lines, as `read_pieces`.

        Raises:
            DataError: a file cannot be read, or is not text.
        """
        if self.files.hold_documents:
            for batch in self._batches():
                yield self._encode("".join(text.removesuffix("\n") + "\n" for text in batch))
            return
        several = self.files.several
        for file in self.files.files:
            if not (several and is_blank(file)):
                yield from read_pieces(file, as_bytes=self.as_bytes, lines=lines, ended=several)

    def documents(self) -> Iterator[Lines]:
        """Yield the documents: lines that are not blank, or what files of documents hold.

        Raises:
            DataError: a file cannot be read, is not text, or holds a document that is not text.
        """
        if not self.files.hold_documents:
            yield from split_lines(self.pieces(lines=True), as_bytes=self.as_bytes)
            return
        for batch in self._batches():
            if not self.as_bytes:
                codes = self._encode("\0".join(batch) + "\0")
                yield Lines(codes, codes == NUL)
                continue
            raw = [text.encode() for text in batch]
            codes = np.frombuffer(b"\0".join(raw) + b"\0", np.uint8).astype(np.uint16)
            ends = np.cumsum([len(text) + 1 for text in raw]) - 1
            codes[ends] = AFTER_BYTES
            yield Lines(codes, codes == AFTER_BYTES)

    def _encode(self, text: str) -> Codes:
        if self.as_bytes or text.isascii():
            return np.frombuffer(text.encode(), np.uint8)
        return code_points(text)

    def _batches(self) -> Iterator[list[str]]:
        yield from _group(read_documents(self.files, as_bytes=self.as_bytes))


def _group(documents: Iterable[str]) -> Iterator[list[str]]:
    """Group documents, about `PIECE` characters at a time."""
    batch, size = list[str](), 0
    for document in documents:
        batch.append(document)
        size += len(document) + 1
        if size >= PIECE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
