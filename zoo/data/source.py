"""The text of a corpus, as documents or one stream, before it becomes tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import DataError

Document = str | bytes
LogLikelihood = Callable[[Sequence[Any]], "list[float]"]
"""Exact log probability (nats) of each whole document, its end included, under the source that generated it."""


@dataclass(frozen=True)
class Source:
    """Text of one corpus.

    Args:
        name: its name in reports.
        text: documents, or one stream (a single str or bytes).
        log_likelihood: the exact log probabilities, where they are known; they give the floor.
        remark: what is to be told of how it was read, as a part of a sentence.
    """

    name: str
    text: Sequence[Document] | Document
    log_likelihood: LogLikelihood | None = None
    remark: str = ""

    def __post_init__(self) -> None:
        pieces = [self.text] if self.is_stream else list(self.text)
        odd = next((piece for piece in pieces if not isinstance(piece, str | bytes)), None)
        if odd is not None:
            raise DataError(f"Corpus '{self.name}' has a document that is no text: {odd!r}.")

    @property
    def is_stream(self) -> bool:
        return isinstance(self.text, str | bytes)


CorpusLoader = Callable[..., Source]
"""An entry of the corpora registry: a function of keyword options."""
