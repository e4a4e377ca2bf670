"""Tokenize a large text in two passes: find its vocabulary, then write the tokens of each split to files.

Tokens and splits equal those of the same file read into memory, except with more than STORED documents: a keyed
permutation deals these to the splits, and they keep the order of the file.
"""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.config import DataConfig
from zoo.data.files import LONGEST_DOCUMENT, LONGEST_LISTED, no_text_error, too_few_error, too_long_error
from zoo.data.large.permutation import STORED, Permutation
from zoo.data.large.read_file import NEWLINE, Codes, read_lines, read_pieces
from zoo.data.splits import SPLITS, can_split, shuffle_numbers, split_points
from zoo.data.vocabulary import Vocabulary
from zoo.tokens import BOUNDARY

Deal = Callable[[int, int], NDArray[np.integer[Any]]]
"""(first, last) -> split (0, 1, 2) of each of the documents first to last - 1."""


class _Found(NamedTuple):
    """Result of the first pass: code points or bytes that occur, and number of them or of documents in the text."""

    codes: NDArray[np.int64]
    size: int


def write_tokens(path: Path, config: DataConfig, directory: Path, vocabulary: Vocabulary | None) -> None:
    """Write a directory with the files of `Tokens.map_files` for each split, and text.json, which describes them.

    Raises:
        DataError: the file is not text, too short, or has a document too long for a row.
        UsageError: a character is not in the vocabulary.
        OSError: the files cannot be written.
    """
    as_bytes = config.tokens == "bytes"
    documents = None if config.documents == "none" else _scan_documents(path, config)
    found = documents or _scan_stream(path, as_bytes)
    if vocabulary is None:
        vocabulary = Vocabulary(None if as_bytes else "".join(map(chr, found.codes)))
    table = _make_table(found.codes, vocabulary)
    with ExitStack() as files:
        writers = [files.enter_context(_Writer(directory / split, vocabulary.dtype)) for split in SPLITS]
        for writer in writers:
            writer.end()
        if documents is None:
            _write_stream(path, as_bytes, table, writers, split_points(found.size, config.shares))
        else:
            _write_documents(path, as_bytes, table, writers, _deal(found.size, config, directory))
    about = {"is_stream": documents is None, "characters": vocabulary.characters}
    (directory / "text.json").write_text(json.dumps(about))


def _scan_stream(path: Path, as_bytes: bool) -> _Found:
    seen, count = np.zeros(0x110000, bool), 0
    for codes in read_pieces(path, as_bytes=as_bytes):
        _mark_seen(codes, seen)
        count += len(codes)
    return _summarize(path.name, seen, count)


def _scan_documents(path: Path, config: DataConfig) -> _Found | None:
    """Scan a file with one document per line; None if `documents=auto` and its lines do not look like documents."""
    as_bytes, judge = config.tokens == "bytes", config.documents == "auto"
    seen, count, gap = np.zeros(0x110000, bool), 0, False
    for lines in read_lines(path, as_bytes=as_bytes):
        codes, ends = lines.codes, lines.ends
        if not len(codes):
            gap = True
            continue
        lengths = np.diff(ends, prepend=-1) - 1 if codes[-1] == NEWLINE else np.array([len(codes)])
        longest = int(lengths.argmax())
        if judge and (gap or lines.gap or lengths[longest] > LONGEST_LISTED):
            return None
        if lengths[longest] > LONGEST_DOCUMENT:
            raise too_long_error(path.name, count + longest + 1, int(lengths[longest]))
        gap |= lines.trailing
        _mark_seen(codes, seen)
        count += len(lengths)
    if judge and count < 3:
        return None
    seen[NEWLINE] = False
    found = _summarize(path.name, seen, count)
    if not can_split(count, config.shares):
        raise too_few_error(path.name, count, f"too few to split {config.split}")
    return found


def _mark_seen(codes: Codes, seen: NDArray[np.bool_]) -> None:
    if codes.dtype == np.uint8:  # indices are cast to 64 bits; removing bytes already seen is four times faster
        codes = np.frombuffer(codes.tobytes().translate(None, bytes(np.flatnonzero(seen[:256]).tolist())), np.uint8)
    if not seen.take(codes, mode="clip").all():  # gathering is faster than scattering
        seen[codes] = True


def _look_up(codes: Codes, table: NDArray[Any]) -> NDArray[Any]:
    if codes.dtype == table.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(table[:256].tobytes()), np.uint8)
    return table.take(codes, mode="clip")  # all codes are valid; "clip" skips the check and takes half the time


def _summarize(name: str, seen: NDArray[np.bool_], count: int) -> _Found:
    codes = np.flatnonzero(seen)
    if not "".join(map(chr, codes)).strip():
        raise no_text_error(name)
    return _Found(codes, count)


def _make_table(codes: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[Any]:
    """Table of code -> token; a newline that ends a document becomes the boundary token."""
    table = np.full(max(256, int(codes[-1]) + 1), BOUNDARY, vocabulary.dtype)
    table[codes] = codes + 1 if vocabulary.characters is None else vocabulary.encode("".join(map(chr, codes)))
    return table


class _Writer:
    """Write the files of one split; every boundary token passed to `add` ends a document."""

    def __init__(self, directory: Path, dtype: np.dtype[Any]) -> None:
        directory.mkdir(parents=True)
        self._flat, self._starts = (directory / "tokens").open("wb"), (directory / "starts").open("wb")
        self._boundary = np.full(1, BOUNDARY, dtype)
        self._written = 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        with self._flat, self._starts:  # closes both even if one fails
            pass

    def add(self, tokens: NDArray[Any]) -> None:
        """Append (T,) tokens."""
        self._flat.write(np.ascontiguousarray(tokens).data)
        self._starts.write((np.flatnonzero(tokens == BOUNDARY) + self._written).data)
        self._written += len(tokens)

    def end(self) -> None:
        """Write a boundary token."""
        self.add(self._boundary)


def _write_stream(
    path: Path, as_bytes: bool, table: NDArray[Any], writers: list[_Writer], ends: tuple[int, int]
) -> None:
    before, bounds = 0, (0, *ends, sys.maxsize)
    for codes in read_pieces(path, as_bytes=as_bytes):
        tokens = _look_up(codes, table)
        for split, writer in enumerate(writers):
            writer.add(tokens[max(0, bounds[split] - before) : max(0, bounds[split + 1] - before)])
        before += len(codes)
    for writer in writers:
        writer.end()


def _write_documents(path: Path, as_bytes: bool, table: NDArray[Any], writers: list[_Writer], deal: Deal) -> None:
    before = 0
    for lines in read_lines(path, as_bytes=as_bytes):
        tokens = _look_up(lines.codes, table)
        split = deal(before, before + len(lines.ends)).astype(np.uint8).repeat(np.diff(lines.ends, prepend=-1))
        for number, writer in enumerate(writers):
            writer.add(tokens[split == number])
        before += len(lines.ends)


def _deal(count: int, config: DataConfig, directory: Path) -> Deal:
    """Deal documents to the splits; for up to STORED documents, also write their shuffled order to files."""
    first, second = split_points(count, config.shares)
    if count > STORED:
        permutation = Permutation(count, config.split_seed)
        return lambda a, b: np.searchsorted((first, second), permutation.inverse(np.arange(a, b)), side="right")
    numbers = shuffle_numbers(count, config.split_seed)
    splits = np.empty(count, np.uint8)
    parts = np.split(numbers, (first, second))
    for split, part in enumerate(parts):
        splits[part] = split
    for split, part in enumerate(parts):
        place = np.cumsum(splits == split, dtype=np.int32) - 1  # index of each document in its split
        (directory / SPLITS[split] / "order").write_bytes(place[part].tobytes())
    return lambda a, b: splits[a:b]
