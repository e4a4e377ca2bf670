"""Tokenize a large text in two passes: find its vocabulary, then write the tokens of each split to files.

Tokens and splits equal those of the same file read into memory, except with more than STORED documents: a keyed
permutation deals these to the splits, and they keep the order of the file.
"""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.byte_level import parse_size
from zoo.config import DataConfig
from zoo.data.byte_pairs import BytePairs
from zoo.data.files import LONGEST_DOCUMENT, LONGEST_LISTED, no_text_error, too_few_error, too_long_error
from zoo.data.large.byte_pairs_of_text import Parts, read_documents_of, read_stream_of, train_on, write_parts
from zoo.data.large.deal import Deal, deal
from zoo.data.large.read_file import Codes
from zoo.data.large.text import LargeText
from zoo.data.large.writer import Writer
from zoo.data.splits import SPLITS, can_split, split_points
from zoo.data.vocabulary import Vocabulary
from zoo.tokens import BOUNDARY


class _Found(NamedTuple):
    """Result of the first pass: code points or bytes that occur, and number of them or of documents in the text."""

    codes: NDArray[np.int64]
    size: int


def write_tokens(text: LargeText, config: DataConfig, directory: Path, vocabulary: Vocabulary | None) -> None:
    """Write a directory with the files of `Tokens.map_files` for each split, and text.json, which describes them.

    Raises:
        DataError: it is not text, too short, or has a document too long for a row.
        UsageError: a character is not in the vocabulary.
        OSError: the files cannot be written.
    """
    documents = None if config.documents == "none" else _scan_documents(text, config)
    found = documents or _scan_stream(text)
    if size := parse_size(config.tokens):
        for split in SPLITS:
            (directory / split).mkdir(parents=True)
        if documents:
            parts = read_documents_of(text, deal(found.size, config, directory))
        else:
            parts = read_stream_of(text, split_points(found.size, config.shares))
        pairs = vocabulary.pairs if vocabulary and vocabulary.pairs else train_on(parts, size)
        _write_byte_pairs(parts, pairs, directory, is_stream=documents is None)
        return
    if vocabulary is None:
        vocabulary = Vocabulary(None if text.as_bytes else "".join(map(chr, found.codes)))
    table = _make_table(found.codes, vocabulary)
    with ExitStack() as files:
        writers = [files.enter_context(Writer(directory / split, vocabulary.dtype)) for split in SPLITS]
        for writer in writers:
            writer.end()
        if documents is None:
            _write_stream(text, table, writers, split_points(found.size, config.shares))
        else:
            _write_documents(text, table, writers, deal(found.size, config, directory))
    about = {"is_stream": documents is None, "characters": vocabulary.characters}
    (directory / "text.json").write_text(json.dumps(about))


def _write_byte_pairs(parts: Parts, pairs: BytePairs, directory: Path, *, is_stream: bool) -> None:
    dtype = Vocabulary(None, pairs).dtype
    with ExitStack() as files:
        writers = [files.enter_context(Writer(directory / split, dtype)) for split in SPLITS]
        for writer in writers:
            writer.end()
        write_parts(parts, pairs, dtype, writers, ends=not is_stream)
    about = {"is_stream": is_stream, "characters": None, "tokenizer": pairs.text}
    (directory / "text.json").write_text(json.dumps(about))


def _scan_stream(text: LargeText) -> _Found:
    seen, count = np.zeros(0x110000, bool), 0
    for codes in text.pieces():
        _mark_seen(codes, seen)
        count += len(codes)
    return _summarize(text.name, seen, count)


def _scan_documents(text: LargeText, config: DataConfig) -> _Found | None:
    """Scan a text with one document per line; None if `documents=auto` and its lines do not look like documents."""
    judge = config.documents == "auto" and not text.files.hold_documents
    limit = LONGEST_LISTED if judge else LONGEST_DOCUMENT
    seen, count, gap = np.zeros(0x110000, bool), 0, False
    for lines in text.documents():
        if not len(lines.codes):
            gap = True
            continue
        longest, length = (0, 0) if lines.are_shorter(limit) else lines.find_longest()
        if judge and (gap or lines.gap or length > LONGEST_LISTED):
            return None
        if length > LONGEST_DOCUMENT:
            raise too_long_error(text.name, count + longest + 1, length)
        gap |= lines.trailing
        _mark_seen(lines.codes, seen)
        count += len(lines)
    if judge and count < 3:
        return None
    seen[text.end] = False
    found = _summarize(text.name, seen, count)
    if not can_split(count, config.shares):
        raise too_few_error(text.name, count, f"too few to split {config.split}")
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
    """Table of code -> token; the end of a document becomes the boundary token."""
    table = np.full(max(257, int(codes[-1]) + 1), BOUNDARY, vocabulary.dtype)
    table[codes] = codes + 1 if vocabulary.characters is None else vocabulary.encode("".join(map(chr, codes)))
    return table


def _write_stream(text: LargeText, table: NDArray[Any], writers: list[Writer], ends: tuple[int, int]) -> None:
    before, bounds = 0, (0, *ends, sys.maxsize)
    for codes in text.pieces():
        tokens = _look_up(codes, table)
        for split, writer in enumerate(writers):
            writer.add(tokens[max(0, bounds[split] - before) : max(0, bounds[split + 1] - before)])
        before += len(codes)
    for writer in writers:
        writer.end()


def _write_documents(text: LargeText, table: NDArray[Any], writers: list[Writer], deal: Deal) -> None:
    before = 0
    for lines in text.documents():
        tokens = _look_up(lines.codes, table)
        splits = deal(before, before + len(lines))
        per_token = splits.repeat(lines.lengths)
        for number, writer in enumerate(writers):
            writer.add(tokens[per_token == number])
            writer.end_documents(lines.lengths[splits == number])
        before += len(lines)
