"""Tokenize a large text by byte pairs: train on the training split, then write the tokens of each split."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.byte_pairs import WORD_END, BytePairs, train_byte_pairs
from zoo.data.large.deal import Deal
from zoo.data.large.read_file import Codes
from zoo.data.large.text import LargeText
from zoo.data.large.writer import Writer
from zoo.tokens import BOUNDARY

Parts = Callable[[], Iterator[tuple[int, list[str]]]]
"""Reads a text: yields the number of a split, and some of its documents, or a piece of its stream."""
WINDOW = 1 << 16
"""Characters from the end of a piece among which a place to cut it is searched."""


def train_on(parts: Parts, size: int) -> BytePairs:
    """Train a tokenizer of at most `size` tokens on the training split."""
    return train_byte_pairs((text for split, texts in parts() if split == 0 for text in texts), size)


def read_documents_of(text: LargeText, deal: Deal) -> Parts:
    """Return what reads the documents of a text, by split."""

    def parts() -> Iterator[tuple[int, list[str]]]:
        before = 0
        for lines in text.documents():
            documents = _to_text(lines.codes).split(chr(text.end))[:-1]
            splits = deal(before, before + len(documents)).tolist()
            for number in range(3):
                own = [document for document, split in zip(documents, splits, strict=True) if split == number]
                if own:
                    yield number, own
            before += len(documents)

    return parts


def read_stream_of(text: LargeText, ends: tuple[int, int]) -> Parts:
    """Return what reads a stream in pieces that cut no token; the splits end at `ends`."""

    def parts() -> Iterator[tuple[int, list[str]]]:
        before, bounds, rest = 0, (0, *ends, sys.maxsize), ["", "", ""]
        for codes in text.pieces():
            for split in range(3):
                own = codes[max(0, bounds[split] - before) : max(0, bounds[split + 1] - before)]
                whole = rest[split] + _to_text(own)
                cut = _find_last_cut(whole)
                rest[split] = whole[cut:]
                if cut:
                    yield split, [whole[:cut]]
            before += len(codes)
        yield from ((split, [own]) for split, own in enumerate(rest) if own)

    return parts


def write_parts(parts: Parts, pairs: BytePairs, dtype: np.dtype[Any], writers: Sequence[Writer], *, ends: bool) -> None:
    """Write the tokens of every split; `ends`: each text is a document, which a boundary token ends."""
    for split, texts in parts():
        flat, lengths = pairs.encode_all(texts)
        if ends:
            flat = np.insert(flat, np.cumsum(lengths), BOUNDARY)
        writers[split].add(flat.astype(dtype))
        if ends:
            writers[split].end_documents(np.array(lengths) + 1)
    if not ends:
        for writer in writers:
            writer.end()


def _find_last_cut(text: str) -> int:
    """Return the last place where a text can be cut, 0 if there is none near its end."""
    places = [found.start() for found in WORD_END.finditer(text, max(0, len(text) - WINDOW))]
    return places[-1] if places else 0


def _to_text(codes: Codes | NDArray[Any]) -> str:
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
