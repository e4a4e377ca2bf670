"""A large text file as tokens in files of the cache, written once in a few passes and mapped from then on.

What comes out is token for token what the file gives in memory, splits included, but for documents past STORED: those
are dealt to the splits by a keyed permutation of their numbers, and stand in the order of the file.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.config import DataConfig
from zoo.data.download import cache_directory
from zoo.data.files import LONGEST_DOCUMENT, LONGEST_LISTED, no_text, too_few, too_long
from zoo.data.permutation import STORED, Permutation
from zoo.data.pieces import NEWLINE, Codes, read_lines, read_pieces
from zoo.data.splits import SPLITS, Split, cuts, shuffled_numbers
from zoo.data.tokens import Tokens
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError
from zoo.tokens import BOUNDARY

LARGE = 64 << 20
"""Bytes of a file that is prepared; a smaller one is read into memory."""

FORMAT = 1
"""Of the files in the cache; another one is prepared again."""

Deal = Callable[[int, int], NDArray[np.integer[Any]]]
"""Numbers of documents, from the first to before the last -> the split of each (0, 1, 2)."""


@dataclass(frozen=True)
class Prepared:
    """A large text; `digest` covers its bytes, what a token is, and how it is split."""

    digest: str
    is_stream: bool
    vocabulary: Vocabulary
    tokens: Split[Tokens]


class _Found(NamedTuple):
    """What a first pass learns: the characters or bytes that occur, and how many characters, or documents."""

    codes: NDArray[np.int64]
    size: int


def prepare(path: Path, config: DataConfig, vocabulary: Vocabulary | None = None) -> Prepared:
    """The tokens of a file, from the cache or written into it; `vocabulary` is one that is already fixed.

    Raises:
        DataError: not text, too little of it, a document too long for a row; or the cache cannot be written.
        UsageError: a character that the fixed vocabulary does not have.
    """
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}.") from None
    asked = [FORMAT, content, config.documents, config.tokens, config.split_seed, STORED]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    own = _open_or_write(path, config, digest, None)
    if vocabulary is None or vocabulary == own.vocabulary:
        return own
    vocabulary.encode(own.vocabulary.characters or "")
    return _open_or_write(path, config, digest, vocabulary)


def _open_or_write(path: Path, config: DataConfig, digest: str, vocabulary: Vocabulary | None) -> Prepared:
    other = "-" + hashlib.sha256(repr(vocabulary).encode()).hexdigest()[:8] if vocabulary else ""
    directory = cache_directory() / "prepared" / (digest[:32] + other)
    if not directory.is_dir():
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".partial-") as partial:
                _write(path, config, Path(partial) / "text", vocabulary)
                _move(Path(partial) / "text", directory)
        except OSError as error:
            raise DataError(
                f"Cannot prepare {path.name} in '{directory.parent}': {error.strerror}. ZOO_CACHE_DIR names another "
                "directory, which needs twice the room that the text takes."
            ) from None
    about = json.loads((directory / "text.json").read_text())
    vocabulary = Vocabulary(about["characters"])
    tokens = Split(*(Tokens.mapped(directory / split, vocabulary.dtype) for split in SPLITS))
    return Prepared(digest, about["is_stream"], vocabulary, tokens)


def _move(written: Path, directory: Path) -> None:
    try:
        written.rename(directory)
    except OSError:
        if not directory.is_dir():  # where it is one, somebody else was as fast
            raise


def _write(path: Path, config: DataConfig, directory: Path, vocabulary: Vocabulary | None) -> None:
    as_bytes = config.tokens == "bytes"
    documents = None if config.documents == "none" else _find_documents(path, as_bytes, config.documents == "auto")
    found = documents or _find_stream(path, as_bytes)
    if vocabulary is None:
        vocabulary = Vocabulary(None if as_bytes else "".join(map(chr, found.codes)))
    table = _table(found.codes, vocabulary)
    with ExitStack() as files:
        writers = [files.enter_context(_Writer(directory / split, vocabulary.dtype)) for split in SPLITS]
        for writer in writers:
            writer.end()
        if documents is None:
            _write_stream(path, as_bytes, table, writers, found.size)
        else:
            _write_documents(path, as_bytes, table, writers, _deal(found.size, config.split_seed, directory))
    about = {"is_stream": documents is None, "characters": vocabulary.characters}
    (directory / "text.json").write_text(json.dumps(about))


def _find_stream(path: Path, as_bytes: bool) -> _Found:
    seen, count = np.zeros(0x110000, bool), 0
    for codes in read_pieces(path, as_bytes=as_bytes):
        _see(codes, seen)
        count += len(codes)
    return _found(path.name, seen, count)


def _find_documents(path: Path, as_bytes: bool, judge: bool) -> _Found | None:
    """One document a line; None where the file is to be judged and does not look like that."""
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
            raise too_long(path.name, count + longest + 1, int(lengths[longest]))
        gap |= lines.trailing
        _see(codes, seen)
        count += len(lengths)
    if judge and count < 3:
        return None
    seen[NEWLINE] = False
    found = _found(path.name, seen, count)
    if not 0 < cuts(count)[0] < cuts(count)[1]:
        raise too_few(path.name, count)
    return found


def _see(codes: Codes, seen: NDArray[np.bool_]) -> None:
    if codes.dtype == np.uint8:  # an index would be cast to 64 bits first: what is known already goes four times faster
        codes = np.frombuffer(codes.tobytes().translate(None, bytes(np.flatnonzero(seen[:256]).tolist())), np.uint8)
    seen[codes] = True


def _look_up(codes: Codes, table: NDArray[Any]) -> NDArray[Any]:
    if codes.dtype == table.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(table[:256].tobytes()), np.uint8)
    return table[codes]


def _found(name: str, seen: NDArray[np.bool_], count: int) -> _Found:
    codes = np.flatnonzero(seen)
    if not "".join(map(chr, codes)).strip():
        raise no_text(name)
    return _Found(codes, count)


def _table(codes: NDArray[np.int64], vocabulary: Vocabulary) -> NDArray[Any]:
    """Code -> token; a newline that ends a document becomes the boundary, for it is no code of one."""
    table = np.full(max(256, int(codes[-1]) + 1), BOUNDARY, vocabulary.dtype)
    table[codes] = codes + 1 if vocabulary.characters is None else vocabulary.encode("".join(map(chr, codes)))
    return table


class _Writer:
    """The files of one split; `add` takes tokens of which every boundary ends a document."""

    def __init__(self, directory: Path, dtype: np.dtype[Any]) -> None:
        directory.mkdir(parents=True)
        self._flat, self._starts = (directory / "tokens").open("wb"), (directory / "starts").open("wb")
        self._boundary = np.full(1, BOUNDARY, dtype)
        self._written = 0

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        with self._flat, self._starts:  # both, when one cannot be
            pass

    def add(self, tokens: NDArray[Any]) -> None:
        self._flat.write(np.ascontiguousarray(tokens).data)
        self._starts.write((np.flatnonzero(tokens == BOUNDARY) + self._written).data)
        self._written += len(tokens)

    def end(self) -> None:
        """A boundary."""
        self.add(self._boundary)


def _write_stream(path: Path, as_bytes: bool, table: NDArray[Any], writers: list[_Writer], count: int) -> None:
    before, bounds = 0, (0, *cuts(count), count)
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


def _deal(count: int, seed: int, directory: Path) -> Deal:
    """The split of every document; up to STORED documents their order in it is written down, as it is in memory."""
    first, second = cuts(count)
    if count > STORED:
        permutation = Permutation(count, seed)
        return lambda a, b: np.searchsorted((first, second), permutation.inverse(np.arange(a, b)), side="right")
    numbers = shuffled_numbers(count, seed)
    splits = np.empty(count, np.uint8)
    parts = np.split(numbers, (first, second))
    for split, part in enumerate(parts):
        splits[part] = split
    for split, part in enumerate(parts):
        place = np.cumsum(splits == split, dtype=np.int32) - 1  # of each document among those of its split
        (directory / SPLITS[split] / "order").write_bytes(place[part].tobytes())
    return lambda a, b: splits[a:b]
