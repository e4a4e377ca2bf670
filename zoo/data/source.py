"""What a corpus gives: text, as documents or one stream, before it becomes tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import DataError

Document = str | bytes
LogLikelihood = Callable[[Sequence[Any]], "list[float]"]
"""Exact log probability (nats) of each whole document, its end included, under the source that made it."""


@dataclass(frozen=True)
class Source:
    """Text of one corpus.

    Args:
        name: how reports call it.
        text: documents, or one stream (a single str or bytes).
        log_likelihood: the source's own probabilities, where they are known: the floor.
    """

    name: str
    text: Sequence[Document] | Document
    log_likelihood: LogLikelihood | None = None

    def __post_init__(self) -> None:
        pieces = [self.text] if self.is_stream else list(self.text)
        odd = next((piece for piece in pieces if not isinstance(piece, str | bytes)), None)
        if odd is not None:
            raise DataError(f"Corpus '{self.name}' has a document that is no text: {odd!r}.")

    @property
    def is_stream(self) -> bool:
        return isinstance(self.text, str | bytes)


CorpusLoader = Callable[..., Source]
"""What a name in the corpora registry stands for: a function of keyword options."""
