"""A few batches of an evaluation, kept with the loss of every token, to be scored again."""

import random
from typing import NamedTuple

from torch import Tensor

from zoo.data.rows import ScoredBatch

OTHERS = 4
"""Kept at the most beside the first batch and the last: with these most of an ordinary split of names."""


class KeptBatch(NamedTuple):
    """`tokens` and `targets` (B, T) as they were scored, and `nats` (B, T) that every target came to."""

    tokens: Tensor
    targets: Tensor
    nats: Tensor


class Reservoir:
    """The first batch of an evaluation, the last, and a random choice of the others, made while they pass.

    Documents come sorted by length, so that the first and the last batch are of the longest and the shortest rows.
    """

    def __init__(self, seed: int) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._ends: list[KeptBatch] = []
        self._others: list[KeptBatch] = []
        self._passed = 0  # of the others

    @property
    def batches(self) -> list[KeptBatch]:
        """The first, the last, then others in random order."""
        return self._ends + random.Random(self._seed).sample(self._others, len(self._others))

    def add(self, batch: ScoredBatch, nats: Tensor) -> None:
        """One more batch, and the losses (B, T) of its tokens."""
        if len(self._ends) == 2:
            self._choose(self._ends.pop())
        self._ends.append(KeptBatch(batch.tokens, batch.targets, nats))

    def _choose(self, batch: KeptBatch) -> None:
        """Reservoir sampling (Vitter 1985, algorithm R): of all that have passed, each is kept as probably."""
        self._passed += 1
        if len(self._others) < OTHERS:
            self._others.append(batch)
        elif (place := self._random.randrange(self._passed)) < OTHERS:
            self._others[place] = batch
