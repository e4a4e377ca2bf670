"""Byte-pair encoding on bytes (Sennrich et al. 2016; byte-level: Radford et al. 2019), by the library `tokenizers`.

A tokenizer is trained on the training split alone. Every text has an encoding, and decodes to itself.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.byte_level import read_token_bytes
from zoo.errors import UsageError

PIECE = 1 << 20
"""Characters of a long text that are encoded at a time."""
WORD_END = re.compile(r"(?<=\S)(?=[ \n])")
"""A place where a text can be cut: no token reaches from a word into the space behind it."""


@dataclass(frozen=True)
class BytePairs:
    """A trained tokenizer, as the JSON text of its library; its token k is our k + 1, because 0 is the boundary."""

    text: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the JSON text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def token_bytes(self) -> tuple[bytes, ...]:
        """Bytes of the tokens 1, 2, ..."""
        return read_token_bytes(self.text)

    @cached_property
    def _library(self) -> Any:
        return _import_tokenizers().Tokenizer.from_str(self.text)

    def encode_all(self, documents: Sequence[str]) -> tuple[NDArray[np.int32], list[int]]:
        """(T,) tokens of all documents, one after the other, and the number of each."""
        rows = [self._encode(document) for document in documents]
        flat = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
        return flat, list(map(len, rows))

    def _encode(self, document: str) -> NDArray[np.int32]:
        pieces = [self._library.encode(piece).ids for piece in cut_at_words(document)]
        return np.concatenate([np.zeros(0, np.int32), *(np.array(ids, np.int32) for ids in pieces)]) + 1


def cut_at_words(text: str) -> Iterator[str]:
    """Yield a text in pieces of about PIECE characters, cutting no token; a text without spaces is one piece."""
    start = 0
    while len(text) - start > PIECE:
        found = WORD_END.search(text, start + PIECE)
        if found is None:
            break
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


def train_byte_pairs(documents: Iterable[str], size: int) -> BytePairs:
    """Train a tokenizer of at most `size` tokens; the same documents give the same one.

    Raises:
        UsageError: the library is not installed.
    """
    library = _import_tokenizers()
    tokenizer = library.Tokenizer(library.models.BPE())
    # without a prefix space and with all bytes at the start every text decodes to itself
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    pieces = (piece for document in documents for piece in cut_at_words(document))
    tokenizer.train_from_iterator(pieces, trainer=trainer)
    return BytePairs(tokenizer.to_str())


def _import_tokenizers() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive the fork of a run's process
    try:
        import tokenizers
    except ImportError:
        raise UsageError("--tokenizer bpe:N needs the library tokenizers: pip install 'sequence-zoo[bpe]'.") from None
    return tokenizers
