"""Keep a few batches of an evaluation with the loss of every token, to score them again."""

import random
from typing import NamedTuple

from torch import Tensor

from zoo.data.rows import ScoredBatch

OTHERS = 4
"""Most batches kept beside the first and the last: together they are most of an ordinary split of names."""


class KeptBatch(NamedTuple):
    """`tokens` and `targets` (B, T) as they were scored, and `nats` (B, T), the loss of every target."""

    tokens: Tensor
    targets: Tensor
    nats: Tensor


class Reservoir:
    """The first batch of an evaluation, the last, and a random sample of the others, drawn while they pass.

    Documents come sorted by length: the first and the last batch hold the longest and the shortest rows.
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
        """Add a batch and the losses (B, T) of its tokens."""
        if len(self._ends) == 2:
            self._choose(self._ends.pop())
        self._ends.append(KeptBatch(batch.tokens, batch.targets, nats))

    def _choose(self, batch: KeptBatch) -> None:
        """Reservoir sampling (Vitter 1985, algorithm R): every batch so far is kept with the same probability."""
        self._passed += 1
        if len(self._others) < OTHERS:
            self._others.append(batch)
        elif (place := self._random.randrange(self._passed)) < OTHERS:
            self._others[place] = batch
