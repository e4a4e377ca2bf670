"""A few batches of an evaluation, kept with the loss of every token, to be scored again."""

import random
from typing import NamedTuple

from torch import Tensor

from zoo.data.rows import ScoredBatch

ENOUGH_ROWS, ENOUGH_BATCHES = 300, 3
"""Kept at the least, where the split has as many."""


class KeptBatch(NamedTuple):
    """`tokens` and `targets` (B, T) as they were scored, and `nats` (B, T) that every target came to."""

    tokens: Tensor
    targets: Tensor
    nats: Tensor


class Kept:
    """A random choice of an evaluation's batches, made while they pass.

    Every batch is given a random number; those with the lowest are kept, as few as hold enough rows.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._drawn: list[tuple[float, KeptBatch]] = []

    @property
    def batches(self) -> list[KeptBatch]:
        """In random order."""
        return [batch for _, batch in self._drawn]

    def see(self, batch: ScoredBatch, nats: Tensor) -> None:
        """One more batch, and the losses (B, T) of its tokens."""
        self._drawn.append((self._random.random(), KeptBatch(batch.tokens, batch.targets, nats)))
        self._drawn.sort(key=lambda drawn: drawn[0])
        while self._without_last() >= ENOUGH_ROWS and len(self._drawn) > ENOUGH_BATCHES:
            self._drawn.pop()

    def _without_last(self) -> int:
        return sum(len(batch.tokens) for _, batch in self._drawn[:-1])
