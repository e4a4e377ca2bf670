"""Draw samples of a finished run, all at once or as a stream, and mark those that occur in the training text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from registry import RegistryError
from zoo.blame import blame
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError, UsageError, ZooError
from zoo.experiments.records.run import Run, read_run
from zoo.experiments.runs.evaluate import reload_corpus
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.vocabulary import read_vocabulary
from zoo.models.interface import SequenceModel
from zoo.sampling import stream
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY

DOCUMENT, STREAM = 100, 300
"""Default maximum of tokens of a sample after the prompt."""


class Piece(NamedTuple):
    """A piece of a sample; `ends` is None but in the last one, where it says whether the training text contains it."""

    text: str
    ends: bool | None


@dataclass(frozen=True)
class Samples:
    """A run with its model, ready to be sampled; `notices` are messages for the user."""

    run: Run
    model: SequenceModel
    training: set[str] | str | None
    notices: Sequence[str]

    def draw(self, **options: Any) -> list[dict[str, Any]]:
        """Draw all samples, each marked if the training text contains it; options as in `draw_samples`."""
        texts = draw_samples(self.run, self.model, **options)
        return [{"text": text, "in_training": self._known(text)} for text in texts]

    def stream(self, *, count: int, **options: Any) -> Iterator[Piece]:
        """Yield the same samples in pieces, one sample after another; others drawn meanwhile are held back."""
        vocabulary, prompt, tokens = _begin(self.run, self.model, count=count, **options)
        columns: list[list[int]] = []
        current, shown = 0, ""
        for column, is_last in tokens:
            columns.append(column.tolist())
            while current < count:
                row = [tokens_then[current] for tokens_then in columns]
                text, ended = prompt + vocabulary.decode(row), is_last or BOUNDARY in row
                if not ended:
                    text = text.rstrip("\N{REPLACEMENT CHARACTER}")  # first bytes of an incomplete character
                yield Piece(text[len(shown) :], self._known(text) if ended else None)
                shown = text
                if not ended:
                    break
                current, shown = current + 1, ""

    def _known(self, text: str) -> bool:
        return self.training is not None and text in self.training


def open_samples(directory: str, *, trust: bool = False) -> Samples:
    """Open the run in a directory, with its model and its training text.

    Raises:
        RunError: the run is missing, or as `load_model`.
    """
    run, trusted = read_run(Path(directory)), Trust(everything=trust)
    model, changed = load_model(run, trusted)
    notices, training = [changed] if changed else [], None
    try:
        training = _training_text(run, trusted)
    except (ZooError, RegistryError) as error:
        notices.append(f"Samples are not marked, for the training text cannot be read again: {error}")
    return Samples(run, model, training, notices)


def draw_samples(run: Run, model: SequenceModel, *, count: int, **options: Any) -> list[str]:
    """Draw texts from the model of a run; a stream begins with a line break if its vocabulary has one.

    The documents of a task have no boundary tokens, so they neither open nor end with one.

    Args:
        options: prompt, length (maximum of tokens after it), seed, temperature, top_k, top_p.

    Raises:
        UsageError: the run is of a task whose targets are not the next tokens, or the prompt has a character outside
            of the run's vocabulary.
        StrangerError: the model raised an exception; the message says what, and where.
    """
    vocabulary, prompt, tokens = _begin(run, model, count=count, **options)
    rows = torch.stack([column for column, _ in tokens], dim=1)
    return [prompt + vocabulary.decode(row) for row in rows.tolist()]


def _begin(
    run: Run,
    model: SequenceModel,
    *,
    count: int,
    prompt: str = "",
    length: int | None = None,
    **choice: Any,
) -> tuple[Vocabulary, str, Iterator[tuple[Tensor, bool]]]:
    """Return the vocabulary, the prompt of every sample, and (tokens (count,), is last) of each position."""
    data = run.recorded.data
    if not data.can_be_sampled:
        raise UsageError(f"{data.name} asks for answers, not for next tokens, so there is no text to sample.")
    vocabulary = read_vocabulary(run.directory, data)
    if (data.is_stream or data.task) and not prompt:
        prompt = "\n" if "\n" in (data.characters or "\n") else str(data.characters)[0]
    encoded = torch.from_numpy(vocabulary.encode(prompt)).long()
    length = length or (STREAM if data.is_stream else DOCUMENT)

    def columns() -> Iterator[tuple[Tensor, bool]]:
        who, module = f"Model '{run.recorded.run.model.name}'", type(model).__module__
        threads = run.recorded.run.training.threads
        with isolated(torch.device("cpu"), threads=threads), blame(who, "in sampling", module=module):
            ends = {"opens": data.task is None, "stops": not data.is_stream and data.task is None}
            tokens = stream(model, encoded, count=count, length=length, **ends, **choice)
            for number, column in enumerate(tokens, start=1):
                yield column, number == length

    return vocabulary, prompt, columns()


def _training_text(run: Run, trust: Trust) -> set[str] | str:
    """Return the training documents, or the training stream, in which to look for samples."""
    if run.recorded.data.task:
        return set()
    corpus = reload_corpus(run, {}, trust)
    if corpus.digest != run.recorded.data.digest:
        raise RunError("the corpus has changed since.")
    if corpus.text is None:
        raise RunError(f"{corpus.name} is too large to be kept in memory.")
    documents = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in corpus.text.train]
    return documents[0] if corpus.is_stream else set(documents)
