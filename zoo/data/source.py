"""Text of a corpus before tokenization, as documents or one stream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.data.task import Task
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
        answers: target of every character or byte of every document, where it is not the next one; `unscored` where
            nothing is scored. Such documents have no boundary tokens, and must have a target each.
        unscored: the sign in `answers` for no target; one character, of ASCII in bytes.

    Raises:
        DataError: a document is neither str nor bytes, or answers do not fit the text.
    """

    name: str
    text: Sequence[Document] | Document
    log_likelihood: LogLikelihood | None = None
    remark: str = ""
    answers: Sequence[Document] | None = None
    unscored: str = "_"

    def __post_init__(self) -> None:
        pieces = [self.text] if self.is_stream else list(self.text)
        odd = next((piece for piece in pieces if not isinstance(piece, str | bytes)), None)
        if odd is not None:
            raise DataError(f"Corpus '{self.name}' has a document that is no text: {odd!r}.")
        if self.answers is not None and (wrong := self._find_misfit(self.answers)):
            raise DataError(f"Corpus '{self.name}': {wrong}.")

    def _find_misfit(self, answers: Sequence[Document]) -> str:
        """Say how the answers do not fit the text; "" if they do."""
        if self.is_stream or self.log_likelihood is not None:
            return "answers need documents, without log probabilities"
        if len(self.unscored) != 1:
            return f"unscored={self.unscored!r} must be one character"
        if len(answers) != len(self.text):
            return f"{len(answers):,} answers for {len(self.text):,} documents"
        for number, (document, own) in enumerate(zip(self.text, answers, strict=True), 1):
            sign: Document = self.unscored if isinstance(own, str) else self.unscored.encode()
            if type(own) is not type(document) or len(own) != len(document):
                return f"document {number:,} and its answers must be text of one kind and length"
            if len(sign) != 1:
                return f"unscored={self.unscored!r} must be a character of one byte"
            if not own.replace(sign, sign[:0]):  # type: ignore[arg-type]
                return f"document {number:,} has no answer"
        return ""

    @property
    def is_stream(self) -> bool:
        """Whether the text is one stream."""
        return isinstance(self.text, str | bytes)


CorpusLoader = Callable[..., Source | Task]
"""Entry of the registry of corpora: a function from keyword options to a `Source` or a `Task`."""
