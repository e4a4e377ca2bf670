"""Prepare a large text: write its tokens to the cache once, and map them into memory from then on."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.cache import cache_directory
from zoo.config import USUAL_SPLIT, DataConfig
from zoo.data.byte_pairs import BytePairs
from zoo.data.large.permutation import STORED
from zoo.data.large.text import LargeText
from zoo.data.large.tokenize_file import write_tokens
from zoo.data.splits import SPLITS, Split
from zoo.data.text_files import Stamp, TextFiles
from zoo.data.tokens import Tokens
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError

LARGE = 64 << 20
"""Bytes above which a text is prepared; a smaller one is read into memory."""

BYTES = "bytes.json"
"""File with the number of bytes of every split."""
FORMAT = 1
"""Version of the files in the cache; a text with files of another version is prepared again."""


@dataclass(frozen=True)
class Prepared:
    """A prepared text; `digest` covers its bytes, its layout, the unit of its tokens and its split settings."""

    digest: str
    is_stream: bool
    vocabulary: Vocabulary
    tokens: Split[Tokens]
    bytes: dict[str, int]
    """Split -> number of bytes that its targets stand for."""


def prepare(text: TextFiles, config: DataConfig, vocabulary: Vocabulary | None = None) -> Prepared:
    """Tokens of a text, which are written to the cache if missing; `vocabulary` is given if a trained model fixes it.

    Raises:
        DataError: it is not text, too short, has a document too long for a row, or changes while it is read; or the
            cache cannot be written.
        UsageError: a character is not in the given vocabulary.
    """
    changed = text.stamp()
    key = [FORMAT, text.digest, config.documents, config.tokens, config.split_seed, STORED]
    key += [config.split] if config.split != USUAL_SPLIT else []  # digests of the usual split predate this setting
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    own = _open_or_write(text, changed, config, digest, None)
    if vocabulary is None or vocabulary == own.vocabulary:
        return own
    if vocabulary.pairs is None:
        vocabulary.encode(own.vocabulary.characters or "")
    return _open_or_write(text, changed, config, digest, vocabulary)


def _open_or_write(
    text: TextFiles, changed: Stamp, config: DataConfig, digest: str, vocabulary: Vocabulary | None
) -> Prepared:
    other = "-" + hashlib.sha256(repr(vocabulary).encode()).hexdigest()[:8] if vocabulary else ""
    directory = cache_directory() / "prepared" / (digest[:32] + other)
    places = SPLITS if config.has_test else ("train", "validation", "validation")
    if not directory.is_dir():
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".partial-") as partial:
                large = LargeText(text, as_bytes=config.tokens == "bytes")
                write_tokens(large, config, Path(partial) / "text", vocabulary)
                if text.stamp() != changed:
                    raise DataError(f"'{text.name}' changed while it was read.")
                (Path(partial) / "text" / BYTES).write_text(json.dumps(_count_bytes(Path(partial) / "text", places)))
                _move(Path(partial) / "text", directory)
        except OSError as error:
            raise DataError(
                f"Cannot prepare {text.name} in '{directory.parent}': {error.strerror}. Set ZOO_CACHE_DIR "
                "to a directory with twice the space of the text."
            ) from None
    vocabulary, is_stream = _read_about(directory)
    tokens = Split(*(Tokens.map_files(directory / split, vocabulary.dtype) for split in places))
    counted = directory / BYTES  # missing where an older version prepared the text
    own = json.loads(counted.read_text()) if counted.is_file() else _count_bytes(directory, places)
    counts = {split: own[place] for split, place in zip(SPLITS, places, strict=True)}
    return Prepared(digest, is_stream, vocabulary, tokens, counts)


def _read_about(directory: Path) -> tuple[Vocabulary, bool]:
    """Read the vocabulary of a prepared directory, and whether its text is a stream."""
    about = json.loads((directory / "text.json").read_text())
    pairs = BytePairs(about["tokenizer"]) if "tokenizer" in about else None
    return Vocabulary(about["characters"], pairs), about["is_stream"]


def _count_bytes(directory: Path, places: Sequence[str]) -> dict[str, int]:
    """Count the bytes of these splits in a prepared directory."""
    vocabulary, is_stream = _read_about(directory)
    ends = int(is_stream)  # the end of a stream is no target
    return {
        split: Tokens.map_files(directory / split, vocabulary.dtype).count_bytes(vocabulary.byte_lengths) - ends
        for split in dict.fromkeys(places)
    }


def _move(written: Path, directory: Path) -> None:
    try:
        written.rename(directory)
    except OSError:
        if not directory.is_dir():  # otherwise another process wrote it meanwhile
            raise
