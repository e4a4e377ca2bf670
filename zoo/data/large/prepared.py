"""Prepare a large text file: its tokens are written into the cache once, and mapped into memory from then on."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from zoo.config import USUAL_SPLIT, DataConfig
from zoo.data.download import cache_directory
from zoo.data.large.permutation import STORED
from zoo.data.large.tokenize_file import write_tokens
from zoo.data.splits import SPLITS, Split
from zoo.data.tokens import Tokens
from zoo.data.vocabulary import Vocabulary
from zoo.errors import DataError

LARGE = 64 << 20
"""Bytes above which a file is prepared; smaller ones are read into memory."""

FORMAT = 1
"""Version of the files in the cache; files of another version are prepared again."""


@dataclass(frozen=True)
class Prepared:
    """A prepared text; `digest` covers its bytes, the kind of its tokens, and how it is split."""

    digest: str
    is_stream: bool
    vocabulary: Vocabulary
    tokens: Split[Tokens]


def prepare(path: Path, config: DataConfig, vocabulary: Vocabulary | None = None) -> Prepared:
    """The tokens of a file, from the cache or written into it; `vocabulary` is given where a trained model fixed it.

    Raises:
        DataError: not text, too little of it, a document too long for a row; the file changes while it is read; or the
            cache cannot be written.
        UsageError: a character that the fixed vocabulary does not have.
    """
    try:
        changed = path.stat().st_mtime_ns
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"Cannot read '{path}': {error.strerror}.") from None
    key = [FORMAT, content, config.documents, config.tokens, config.split_seed, STORED]
    key += [config.split] if config.split != USUAL_SPLIT else []  # whose digests are older than the choice
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    own = _open_or_write(path, changed, config, digest, None)
    if vocabulary is None or vocabulary == own.vocabulary:
        return own
    vocabulary.encode(own.vocabulary.characters or "")
    return _open_or_write(path, changed, config, digest, vocabulary)


def _open_or_write(
    path: Path, changed: int, config: DataConfig, digest: str, vocabulary: Vocabulary | None
) -> Prepared:
    other = "-" + hashlib.sha256(repr(vocabulary).encode()).hexdigest()[:8] if vocabulary else ""
    directory = cache_directory() / "prepared" / (digest[:32] + other)
    if not directory.is_dir():
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".partial-") as partial:
                write_tokens(path, config, Path(partial) / "text", vocabulary)
                if path.stat().st_mtime_ns != changed:
                    raise DataError(f"'{path}' changed while it was read.")
                _move(Path(partial) / "text", directory)
        except OSError as error:
            raise DataError(
                f"Cannot prepare {path.name} in '{directory.parent}': {error.strerror}. ZOO_CACHE_DIR names another "
                "directory, which needs twice the room that the text takes."
            ) from None
    about = json.loads((directory / "text.json").read_text())
    vocabulary = Vocabulary(about["characters"])
    places = SPLITS if config.has_test else ("train", "validation", "validation")
    tokens = Split(*(Tokens.map_files(directory / split, vocabulary.dtype) for split in places))
    return Prepared(digest, about["is_stream"], vocabulary, tokens)


def _move(written: Path, directory: Path) -> None:
    try:
        written.rename(directory)
    except OSError:
        if not directory.is_dir():  # where it is one, somebody else was as fast
            raise
