"""Training documents of a task on a device: without end, so no run sees one twice."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.rows import Batch, DocumentRows, ScoredBatch, take_windows
from zoo.data.task import TRAIN, Documents, Task
from zoo.data.tokens import Tokens, narrowest_dtype
from zoo.tokens import IGNORED

WINDOWS = 10
"""Part of the seed of windows, which is none of a split."""
KEPT = 64
"""Blocks that are kept: batches of neighbouring steps share one, and every replica of a stack has its own."""


def hold(documents: Documents, vocab_size: int) -> Tokens:
    """Keep documents (D, T) as tokens with answers."""
    tokens, targets = documents
    dtype = narrowest_dtype(vocab_size)
    return Tokens.with_answers(tokens.astype(dtype).ravel(), targets.ravel(), [tokens.shape[1]] * len(tokens))


class EndlessRows:
    """Documents of a task, numbered without end under every seed: step s trains on those from s · B on, (B, T).

    An evaluation, of speed alone, takes the first ones of seed 0.
    """

    has_answers = True

    def __init__(self, task: Task, device: torch.device) -> None:
        self.device = device
        self._task = task
        self._block = lru_cache(maxsize=KEPT)(lambda seed, number: task.block(TRAIN, seed, number))
        self._first = DocumentRows(hold(self._block(0, 0), task.vocab_size), device)
        self.targets, self.count, self.rows_per_score = self._first.targets, self._first.count, 1

    def batch(self, seed: int, step: int, batch_size: int) -> Batch:
        """Return the documents of a step, tokens and targets (B, T)."""
        tokens, targets = self._documents(seed, step * batch_size, batch_size)
        return Batch(self._move(tokens), self._move(targets))

    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch:
        """Return random targets of the documents of a step, each equally likely, with the `width` tokens up to it."""
        tokens, targets = self._documents(seed, step * batch_size, batch_size)
        generator = np.random.Generator(np.random.PCG64([self._task.seed, WINDOWS, seed, step]))
        place = generator.choice(np.flatnonzero(targets != IGNORED), size=batch_size)
        start = place // self._task.length * self._task.length
        flat, answers = self._move(tokens).flatten(), self._move(targets).flatten()
        return take_windows(
            flat, torch.from_numpy(place).to(self.device), torch.from_numpy(start).unsqueeze(1), width, answers
        )

    def evaluation_batches(self, max_tokens: int) -> Iterator[ScoredBatch]:
        """Yield the first documents of seed 0."""
        return self._first.evaluation_batches(max_tokens)

    def count_targets(self, rows: int) -> NDArray[np.int64]:
        """(n,) number of targets of each of the first documents of seed 0."""
        return self._first.count_targets(rows)

    def _documents(self, seed: int, first: int, count: int) -> Documents:
        """Return `count` documents from number `first` on."""
        size = self._task.block_size
        numbers = range(first // size, (first + count - 1) // size + 1)
        blocks = [self._block(seed, number) for number in numbers]
        start = first - numbers[0] * size
        parts = (np.concatenate(part) if len(blocks) > 1 else part[0] for part in zip(*blocks, strict=True))
        return Documents(*(part[start : start + count] for part in parts))

    def _move(self, array: NDArray[np.int64]) -> Tensor:
        """Copy to the device: a model may write into its tokens."""
        return torch.from_numpy(array.copy()).to(self.device, non_blocking=True)
