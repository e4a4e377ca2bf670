"""Encode characters, bytes or byte pairs as tokens, and decode them; token 0 is the boundary."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data.byte_pairs import BytePairs
from zoo.data.source import Document
from zoo.data.tokens import narrowest_dtype
from zoo.errors import UsageError
from zoo.tokens import IGNORED

PIECE = 1 << 20
"""Characters encoded at a time: encoding takes twenty times their memory."""


def code_points(text: str) -> NDArray[np.uint32]:
    """(T,) code points of the characters, with lone surrogates."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@dataclass(frozen=True)
class Vocabulary:
    """Symbols of the tokens 1, 2, ...: sorted characters, or byte pairs; of neither, the 256 bytes."""

    characters: str | None
    pairs: BytePairs | None = None

    @classmethod
    def of(cls, texts: Iterable[Document]) -> "Vocabulary":
        """Vocabulary of the characters that occur in `texts`; of all 256 bytes if the texts are bytes."""
        seen: set[str] = set()
        for text in texts:
            if isinstance(text, bytes):
                return cls(None)
            seen.update(text)
        return cls("".join(sorted(seen)))

    def __len__(self) -> int:
        """Vocabulary size V, with the boundary token."""
        if self.pairs:
            return len(self.pairs.token_bytes) + 1
        return 257 if self.characters is None else len(self.characters) + 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Narrowest type that holds the tokens."""
        return narrowest_dtype(len(self))

    @property
    def byte_lengths(self) -> NDArray[np.int64]:
        """(V,) bytes of each token in UTF-8; the boundary is one, the line break that ends a document in a file."""
        if self.pairs:
            return np.array([1, *map(len, self.pairs.token_bytes)])
        if self.characters is None:
            return np.ones(257, dtype=np.int64)
        return np.array([1, *(len(character.encode(errors="surrogatepass")) for character in self.characters)])

    @property
    def unit(self) -> str:
        """What a token is, in the plural."""
        return "tokens" if self.pairs else "bytes" if self.characters is None else "characters"

    def encode(self, text: Document) -> NDArray[Any]:
        """(T,) tokens of `dtype`, without boundaries.

        Raises:
            UsageError: a character is not in the vocabulary; the message names it and its nearest ones.
        """
        if self.pairs:
            return self.encode_all([text])[0]
        if self.characters is None:
            data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
            return np.frombuffer(data, dtype=np.uint8).astype(self.dtype) + self.dtype.type(1)
        pieces = [self._encode(str(text[start : start + PIECE])) for start in range(0, len(text), PIECE)]
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, self.dtype), *pieces])

    def encode_all(self, documents: Sequence[Document]) -> tuple[NDArray[Any], list[int]]:
        """(T,) tokens of all documents, one after the other and without boundaries, and the length of each.

        Raises:
            UsageError: as `encode`.
        """
        if self.pairs:
            flat, lengths = self.pairs.encode_all([as_text(document) for document in documents])
            return flat.astype(self.dtype), lengths
        if self.characters is None:
            data = [text.encode(errors="surrogateescape") if isinstance(text, str) else text for text in documents]
            return self.encode(b"".join(data)), list(map(len, data))
        return self.encode("".join(map(str, documents))), list(map(len, documents))

    def encode_answers(self, answers: Sequence[Document], unscored: str) -> NDArray[np.int32]:
        """(T,) targets of all documents, one after the other; IGNORED where the sign for no target stands.

        Raises:
            UsageError: as `encode`.
        """
        if self.characters is None:
            data = b"".join(own.encode() if isinstance(own, str) else own for own in answers)
            targets = self.encode(data).astype(np.int32)  # -100 in the type of tokens would be another token
            targets[np.frombuffer(data, np.uint8) == ord(unscored)] = IGNORED
            return targets
        text = "".join(map(str, answers))
        targets = self.encode(text.replace(unscored, self.characters[0])).astype(np.int32)
        targets[code_points(text) == ord(unscored)] = IGNORED
        return targets

    def _encode(self, text: str) -> NDArray[Any]:
        points, known = code_points(text), code_points(self.characters or "")
        index = np.searchsorted(known, points)
        missing = points[known[np.minimum(index, len(known) - 1)] != points] if len(known) else points
        if len(missing):
            near = ", ".join(repr(character) for character in find_nearest(chr(missing[0]), self.characters or ""))
            raise UsageError(
                f"Character {chr(missing[0])!r} is not in the vocabulary of {len(self) - 1} characters"
                + (f"; the nearest of them: {near}." if near else ".")
            )
        return (index + 1).astype(self.dtype)

    def decode(self, tokens: Iterable[int]) -> str:
        """Text of the tokens, without boundaries; bytes that are not UTF-8 become the replacement character."""
        kept = [token - 1 for token in tokens if token]
        if self.pairs:
            return b"".join(self.pairs.token_bytes[index] for index in kept).decode(errors="replace")
        if self.characters is None:
            return bytes(kept).decode(errors="replace")
        return "".join(self.characters[index] for index in kept)


def as_text(document: Document) -> str:
    """Return a document that is text.

    Raises:
        UsageError: it is bytes.
    """
    if isinstance(document, str):
        return document
    raise UsageError("Byte pairs are made of text, and this corpus is bytes: give --tokenizer bytes.")


def find_nearest(character: str, known: str, count: int = 5) -> list[str]:
    """The `count` nearest of `known` to a character: other case or accent first, then by code point."""

    def plain(text: str) -> str:
        return unicodedata.normalize("NFKD", text)[:1].casefold()

    def distance(other: str) -> tuple[bool, int]:
        return plain(other) != plain(character), abs(ord(other) - ord(character))

    return sorted(known, key=distance)[:count]
