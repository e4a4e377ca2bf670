"""Keep a few batches of an evaluation with their losses, to rescore them."""

import random
from typing import NamedTuple

from torch import Tensor

from zoo.data.rows import ScoredBatch

OTHERS = 4
"""Maximum number of kept batches besides the first and the last; together they are most of a split of names."""


class KeptBatch(NamedTuple):
    """`tokens` and `targets` (B, T) of a scored batch, and `nats` (B, T), the loss of every target."""

    tokens: Tensor
    targets: Tensor
    nats: Tensor


class Reservoir:
    """The first batch of an evaluation, the last, and a random sample of the others.

    Documents come sorted by length, so the first and the last batch hold the extremes.
    """

    def __init__(self, seed: int) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._ends: list[KeptBatch] = []
        self._others: list[KeptBatch] = []
        self._passed = 0  # number of other batches so far

    @property
    def batches(self) -> list[KeptBatch]:
        """The first, the last, then others in random order."""
        return self._ends + random.Random(self._seed).sample(self._others, len(self._others))

    def add(self, batch: ScoredBatch, nats: Tensor) -> None:
        """Add a batch and the losses (B, T) of its tokens."""
        if len(self._ends) == 2:
            self._choose(self._ends.pop())
        self._ends.append(KeptBatch(batch.tokens, batch.targets, nats))

    def _choose(self, batch: KeptBatch) -> None:
        """Keep every batch so far with equal probability: reservoir sampling (Vitter 1985, algorithm R)."""
        self._passed += 1
        if len(self._others) < OTHERS:
            self._others.append(batch)
        elif (place := self._random.randrange(self._passed)) < OTHERS:
            self._others[place] = batch
