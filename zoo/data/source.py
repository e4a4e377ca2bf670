"""Text of a corpus before tokenization, as documents or one stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import DataError

Document = str | bytes
LogLikelihood = Callable[[Sequence[Any]], "list[float]"]
"""Documents -> exact log probability (nats) of each, with its end, under the source that generated it."""


@dataclass(frozen=True)
class Source:
    """Text of one corpus.

    Args:
        name: name in reports.
        text: documents, or one stream (a single str or bytes).
        log_likelihood: exact log probabilities if known, from which the floor is computed.
        remark: note for the user on how the text was read, as part of a sentence.

    Raises:
        DataError: a document is neither str nor bytes.
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
        """Whether the text is one stream."""
        return isinstance(self.text, str | bytes)


CorpusLoader = Callable[..., Source]
"""Entry of the registry of corpora: a function from keyword options to a `Source`."""
