"""Samples of a finished run: drawn all at once, or read while they are drawn; each marked if it stands in training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from registry import RegistryError
from zoo.blame import blame
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError, ZooError
from zoo.experiments.records.run import Run, read_run
from zoo.experiments.runs.evaluate import reload_corpus
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.models.interface import SequenceModel
from zoo.sampling import stream
from zoo.surroundings import isolated
from zoo.tokens import BOUNDARY

DOCUMENT, STREAM = 100, 300
"""Tokens of a sample after the prompt, at most, unless said otherwise."""


class Piece(NamedTuple):
    """The next piece of a sample; `ends` is None until the last one, which says whether it stands in training."""

    text: str
    ends: bool | None


@dataclass(frozen=True)
class Samples:
    """A run, ready to be sampled; `notices` is what there is to say before."""

    run: Run
    model: SequenceModel
    training: set[str] | str | None
    notices: Sequence[str]

    def draw(self, **options: Any) -> list[dict[str, Any]]:
        """All samples, each with whether it stands in the training text; options as of `draw_samples`."""
        texts = draw_samples(self.run, self.model, **options)
        return [{"text": text, "in_training": self._known(text)} for text in texts]

    def stream(self, *, count: int, **options: Any) -> Iterator[Piece]:
        """The same samples in pieces, in reading order: what is drawn beside the one being read waits for its turn."""
        vocabulary, prompt, tokens = _begin(self.run, self.model, count=count, **options)
        columns: list[list[int]] = []
        current, shown = 0, ""
        for column, is_last in tokens:
            columns.append(column.tolist())
            while current < count:
                row = [tokens_then[current] for tokens_then in columns]
                text, ended = prompt + vocabulary.decode(row), is_last or BOUNDARY in row
                if not ended:
                    text = text.rstrip("\N{REPLACEMENT CHARACTER}")  # bytes of a character that is still to come
                yield Piece(text[len(shown) :], self._known(text) if ended else None)
                shown = text
                if not ended:
                    break
                current, shown = current + 1, ""

    def _known(self, text: str) -> bool:
        return self.training is not None and text in self.training


def open_samples(directory: str, *, trust: bool = False) -> Samples:
    """The run in a directory, with its model and its training text.

    Raises:
        RunError: no such run, or no weights that fit.
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
    """Texts from the model of a run; a stream begins with a line break where it has one.

    Args:
        options: prompt, length (tokens after it, at most), seed, temperature, top_k, top_p.

    Raises:
        UsageError: a prompt with a character that the run does not know.
        StrangerError: the model raises something; the message says what, and where.
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
    """The run's vocabulary, the prompt that every sample begins with, and columns of tokens, the last one told."""
    data = run.recorded.data
    vocabulary = Vocabulary(data.characters)
    if data.is_stream and not prompt:
        prompt = "\n" if "\n" in (data.characters or "\n") else str(data.characters)[0]
    encoded = torch.from_numpy(vocabulary.encode(prompt)).long()
    length = length or (STREAM if data.is_stream else DOCUMENT)

    def columns() -> Iterator[tuple[Tensor, bool]]:
        who, module = f"Model '{run.recorded.run.model.name}'", type(model).__module__
        threads = run.recorded.run.training.threads
        with isolated(torch.device("cpu"), threads=threads), blame(who, "in sampling", module=module):
            tokens = stream(model, encoded, count=count, length=length, stops=not data.is_stream, **choice)
            for number, column in enumerate(tokens, start=1):
                yield column, number == length

    return vocabulary, prompt, columns()


def _training_text(run: Run, trust: Trust) -> set[str] | str:
    """What a sample is looked for in: the training documents, or the training stream."""
    corpus = reload_corpus(run, {}, trust)
    if corpus.digest != run.recorded.data.digest:
        raise RunError("the corpus has changed since.")
    if corpus.text is None:
        raise RunError(f"{corpus.name} is too large to be kept in memory.")
    documents = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in corpus.text.train]
    return documents[0] if corpus.is_stream else set(documents)
