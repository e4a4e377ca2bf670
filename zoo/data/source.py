"""What a corpus gives: text, as documents or one stream, before it becomes tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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

    @property
    def is_stream(self) -> bool:
        return isinstance(self.text, str | bytes)


CorpusLoader = Callable[..., Source]
"""What a name in the corpora registry stands for: a function of keyword options."""
