"""A task: documents without end, drawn from a known distribution, whose best possible loss is known too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError
from zoo.tokens import IGNORED

BLOCK, LARGEST_BLOCK = 256, 1 << 20
"""Maximum number of documents that are drawn at a time, and of their tokens."""
HELD_OUT = 1000
"""Usual number of documents of validation, and of test."""
CHECKED = 8
"""Documents of which the probabilities of an oracle are checked."""
TRAIN, VALIDATION, TEST = range(3)
PLACED = "token and position known"
"""Line of a model without memory that knows where it is."""
LETTERS = "".join(
    chr(code)
    for first, last in ("09", "AZ", "az", "\u0100\u017f", "\u4e00\u9fff", "\uac00\ud7a3")
    for code in range(ord(first), ord(last) + 1)
)  # fmt: skip
"""Characters for the symbols of a task, in ascending order."""

Array = NDArray[np.int64]


class Documents(NamedTuple):
    """Tokens and targets, (D, T) each; a target is IGNORED where nothing is scored."""

    tokens: Array
    targets: Array


class Line(NamedTuple):
    """What some predictor reaches on scored tokens: nats per token, and share predicted right, if that is known."""

    loss: float
    accuracy: float | None


class Goal(NamedTuple):
    """What solved means on the test split.

    `answers`: at least this share of documents has every scored token right; `accuracy`: at least this share of scored
    tokens is right; `excess`: the loss is at most this many nats above the floor.
    """

    measure: Literal["answers", "accuracy", "excess"]
    value: float

    def is_met(self, score: float) -> bool:
        """Whether a share, or nats above the floor, solves the task."""
        return score <= self.value if self.measure == "excess" else score >= self.value

    def __str__(self) -> str:
        value = np.format_float_positional(self.value, trim="-")
        return f"{self.measure}{'<=' if self.measure == 'excess' else '>='}{value}"


WHOLE_ANSWERS = Goal("answers", 0.99)
"""Usual goal."""


@dataclass(frozen=True)
class Task:
    """A task, as a loader in the registry of corpora returns it.

    Args:
        name: name in reports.
        symbols: ascending characters for the tokens 1, 2, ..., V - 1, by which documents are shown.
        length: T, tokens of a document.
        draw: (generator, D) -> D independent documents.
        memoryless: the best predictor that sees the current token alone.
        oracle: tokens (D, T) -> (D, T, V), the probabilities of the best predictor, which sees all tokens up to each;
            the floor of the very documents of a split follows from them. None: the answers follow from the tokens, so
            the floor is 0.
        floor: the best predictor, in the mean over all documents; None: what `oracle` reaches on those of test.
        lines: other predictors, by what they know.
        goal: what solved means.
        averaged: number of positions over which published losses average, if not the scored ones.
        source: the paper.
        documents: number of documents of validation, and of test.
        seed: seed of all documents, beside that of a run for its training documents.

    Raises:
        DataError: the lines, the documents or the probabilities contradict each other.
    """

    name: str
    symbols: str
    length: int
    draw: Callable[[np.random.Generator, int], Documents]
    memoryless: Line
    oracle: Callable[[Array], NDArray[np.float64]] | None = None
    floor: Line | None = None
    lines: Mapping[str, Line] = field(default_factory=dict)
    goal: Goal = WHOLE_ANSWERS
    averaged: int | None = None
    source: str = ""
    documents: int = HELD_OUT
    seed: int = 0

    def __post_init__(self) -> None:
        if wrong := self._find_misfit() or self._find_wrong_prediction() or self._find_wrong_line():
            raise DataError(f"Task '{self.name}': {wrong}.")

    def _find_misfit(self) -> str:
        """Say how the symbols or the documents are wrong; "" if they are not."""
        (tokens, targets), again = self.block(TRAIN, 0, 0), self.block(TRAIN, 0, 0)
        shape, scored = (self.block_size, self.length), targets != IGNORED
        if self.goal.measure not in ("answers", "accuracy", "excess") or not 0 <= self.goal.value < np.inf:
            return f"goal {tuple(self.goal)} is none: give answers, accuracy or excess, and a number of 0 or more"
        if len(self.symbols) < 2:
            return "one symbol is always right: give two or more"
        if self.documents < 1:
            return f"documents={self.documents} must be 1 or more"
        if list(self.symbols) != sorted(set(self.symbols)):
            return "symbols must be different characters in ascending order"
        if tokens.shape != shape or targets.shape != shape:
            return f"draw gives shapes {tokens.shape} and {targets.shape}, not {shape}"
        if (again.tokens != tokens).any() or (again.targets != targets).any():
            return "draw gives other documents the second time: it must depend on its generator alone"
        if not scored.any(axis=1).all():
            return "a document has no scored token"
        known = np.concatenate([tokens.ravel(), targets[scored]])
        if known.min() < 1 or known.max() >= self.vocab_size:
            return f"tokens and targets must be 1 to {self.vocab_size - 1}, one for each of its symbols"
        return ""

    def _find_wrong_prediction(self) -> str:
        """Say how the probabilities of the oracle are wrong; "" if they are not."""
        if self.oracle is None:
            return ""
        tokens, targets = (part[:CHECKED] for part in self.block(TRAIN, 0, 0))
        predicted, shape = self.oracle(tokens), (*tokens.shape, self.vocab_size)
        if predicted.shape != shape:
            return f"oracle gives shape {predicted.shape} for tokens of shape {tokens.shape}, not {shape}"
        scored = predicted[targets != IGNORED]
        if not (np.abs(scored.sum(axis=1) - 1) < 1e-6).all() or scored.min() < 0:
            return "probabilities of oracle must be 0 or more and add up to 1"
        if not np.take_along_axis(scored, targets[targets != IGNORED][:, None], axis=1).all():
            return "oracle gives a target the probability 0"
        return ""

    def _find_wrong_line(self) -> str:
        """Say which line is no loss, or whether a model needs no memory; "" if it does."""
        for name, (loss, accuracy) in {"memoryless": self.memoryless, "floor": self.best, **self.lines}.items():
            if not 0 <= loss < np.inf or not (accuracy is None or 0 <= accuracy <= 1):
                return f"line '{name}' has a loss of {loss} and an accuracy of {accuracy}: no finite loss, or no share"
        floor, memoryless = self.best.loss, self.memoryless.loss
        if memoryless > floor + 1e-9:
            return ""
        return (
            f"a perfect model has a loss of {floor:.4f}, and one without memory of {memoryless:.4f}: that must be more"
        )

    @property
    def block_size(self) -> int:
        """Documents of a block: document n is row n mod `block_size` of block n // `block_size`."""
        return max(1, min(BLOCK, LARGEST_BLOCK // self.length))

    @property
    def vocab_size(self) -> int:
        """V, with token 0, which no document has."""
        return len(self.symbols) + 1

    @cached_property
    def best(self) -> Line:
        """The best predictor, in the mean over all documents where that is known, else on those of test."""
        return self.floor or self.measure_floor(self.held_out(TEST))

    def block(self, split: int, seed: int, number: int) -> Documents:
        """Return the documents `number` · `block_size` and following of a split: a function of the arguments alone.

        Raises:
            DataError: they are not whole numbers.
        """
        generator = np.random.Generator(np.random.PCG64([self.seed, split, seed, number]))
        drawn = [np.asarray(part) for part in self.draw(generator, self.block_size)]
        kinds = [part.dtype.name for part in drawn]
        if len(drawn) != 2 or any(part.dtype.kind not in "iu" for part in drawn):
            raise DataError(
                f"Task '{self.name}': draw gives {' and '.join(kinds)}, not tokens and targets as whole numbers."
            )
        return Documents(*(part.astype(np.int64, copy=False) for part in drawn))

    def held_out(self, split: int) -> Documents:
        """Return the documents of validation or test, the same for every run."""
        blocks = [self.block(split, 0, number) for number in range(-(-self.documents // self.block_size))]
        return Documents(*(np.concatenate(part)[: self.documents] for part in zip(*blocks, strict=True)))

    def measure_floor(self, documents: Documents) -> Line:
        """Return what the best predictor reaches on these very documents."""
        if self.oracle is None:
            return Line(0.0, 1.0)
        nats, right, count = 0.0, 0, 0
        for first in range(0, len(documents.tokens), self.block_size):
            tokens, targets = (part[first : first + self.block_size] for part in documents)
            scored = targets != IGNORED
            predicted, answers = self.oracle(tokens)[scored], targets[scored]
            nats -= float(np.log(predicted[np.arange(len(answers)), answers]).sum())
            right += int((predicted.argmax(axis=1) == answers).sum())
            count += len(answers)
        if not np.isfinite(nats):
            raise DataError(f"Task '{self.name}': oracle gives no probability, or 0, for a target of {count:,}.")
        return Line(nats / count, right / count)

    def summary(self) -> str:
        """Describe the documents and the lines, as part of one line."""
        scored = int((self.block(TRAIN, 0, 0).targets != IGNORED).sum()) / self.block_size
        lines = {"floor": self.best, **self.lines, "without memory": self.memoryless}
        return (
            f"documents of {self.length:,} tokens, {scored:,.4g} of them scored, vocabulary {self.vocab_size}, "
            f"training without end, {self.documents:,} each for validation and test; "
            + ", ".join(f"{name} {show_line(line)}" for name, line in lines.items())
        )

    @cached_property
    def is_next_token(self) -> bool:
        """Whether every target is the next token, as in text."""
        tokens, targets = self.block(TRAIN, 0, 0)
        scored = targets[:, :-1] != IGNORED
        return bool(scored.any() and (targets[:, :-1] == tokens[:, 1:])[scored].all())


def show_line(line: Line) -> str:
    """Show a line: its loss, and the share predicted right."""
    return f"{line.loss:.4g}" + ("" if line.accuracy is None else f" ({100 * line.accuracy:.3g}% right)")


def choose(generator: np.random.Generator, count: int, among: int, number: int) -> Array:
    """Draw `number` different integers below `among`, in random order, `count` times: (count, number)."""
    keys = generator.random((count, among))
    found = (
        keys.argpartition(number - 1, axis=1)[:, :number] if number < among else np.arange(among)[None].repeat(count, 0)
    )
    return np.take_along_axis(found, np.take_along_axis(keys, found, axis=1).argsort(axis=1), axis=1)


def shape_line(weights: NDArray[np.float64]) -> Line:
    """Return what predicting a symbol by its weights reaches: the entropy, and the largest probability."""
    shares = weights[weights > 0] / weights.sum()
    return Line(float(-(shares * np.log(shares)).sum()), float(shares.max()))
