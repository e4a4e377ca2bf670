"""Tokens on a device, and the rows that training and evaluation draw from them.

A batch is a pure function of (seed, step): nothing about data order has to be saved, and two models under one seed
see the same batches. Neither the model nor its context enters.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.packing import Packing
from zoo.tokens import BOUNDARY, IGNORED

Shape = tuple[int, int, int]
"""Of a batch: rows B, length T of the longest, and how many tokens stand in them, padding not counted."""


class Batch(NamedTuple):
    """Rows of training, with the next token as target.

    Of a stream `tokens` (B, T) and `targets` (B, T); of windows (B, W) and (B, 1), the token after; of documents
    (M,) and (M,), one document after the other as `packing` tells.
    """

    tokens: Tensor
    targets: Tensor
    packing: Packing | None = None

    @property
    def shape(self) -> Shape:
        """What it costs to compute on it depends on."""
        rows, length = self.packing.shape if self.packing else self.tokens.shape
        return rows, length, self.tokens.numel()

    @property
    def scored(self) -> int:
        """Targets, all of which count."""
        return self.targets.numel()

    def padded(self) -> tuple[Tensor, Tensor]:
        """Tokens and targets of the same rows as (B, T), with targets IGNORED after the end of each."""
        if self.packing is None:
            return self.tokens, self.targets
        return self.packing.pad(self.tokens, BOUNDARY), self.packing.pad(self.targets, IGNORED)


class ScoredBatch(NamedTuple):
    """Rows of an evaluation; `row` (B,) numbers the document (or stretch of a stream) that a row scores."""

    tokens: Tensor
    targets: Tensor
    row: NDArray[np.int64]


class Rows(Protocol):
    """One split, ready to be drawn from."""

    targets: int
    """Target tokens of the whole split."""
    count: int
    """Documents, or stretches of a stream."""

    def batch(self, seed: int, step: int, batch_size: int) -> Batch: ...
    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch: ...
    def scored(self, max_tokens: int) -> Iterator[ScoredBatch]: ...


def _generator(*numbers: int) -> torch.Generator:
    """A generator on the CPU that depends on all the numbers, and on nothing else."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


class DocumentRows:
    """Documents, one a row, boundary first: packed for training, padded on the right for evaluation.

    Stored as 0 d₁ 0 d₂ 0 ... 0, so that a document with the boundaries around it is one slice.
    """

    def __init__(self, documents: list[NDArray[np.int32]], device: torch.device) -> None:
        lengths = np.array([len(document) + 1 for document in documents], dtype=np.int64)  # targets of each
        flat = np.full(int(lengths.sum()) + 1, BOUNDARY, dtype=np.int32)
        starts = np.concatenate([[0], lengths.cumsum()[:-1]])
        for start, document in zip(starts, documents, strict=True):
            flat[start + 1 : start + 1 + len(document)] = document
        self.device = device
        self.count = len(documents)
        self.targets = int(lengths.sum())
        self._lengths = torch.from_numpy(lengths)  # stays on the CPU: a row's length is known without a sync
        self._starts = torch.from_numpy(starts)
        self._flat = torch.from_numpy(flat).to(device)
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def batch(self, seed: int, step: int, batch_size: int) -> Batch:
        rows = self._rows(seed, step, batch_size)
        packing = Packing.of(self._lengths[rows], self.device)
        place = self._starts[rows].to(self.device, non_blocking=True)[packing.row] + packing.position
        return Batch(self._flat[place].long(), self._flat[place + 1].long(), packing)

    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch:
        """Random targets, each with the `width` tokens before it; boundary tokens before the start of its document."""
        place = 1 + torch.randint(self.targets, (batch_size,), generator=_generator(seed, step))  # in the flat text
        document = torch.searchsorted(self._starts, place, right=False) - 1
        start = self._starts[document].to(self.device, non_blocking=True).unsqueeze(1)
        return _windows(self._flat, place.to(self.device, non_blocking=True), start, width)

    def scored(self, max_tokens: int) -> Iterator[ScoredBatch]:
        """Every document once, those of like length together (evaluation mode mixes nothing between rows)."""
        order = torch.argsort(self._lengths, descending=True, stable=True)
        first = 0
        while first < self.count:
            size = max(1, max_tokens // int(self._lengths[order[first]]))
            rows = order[first : first + size]
            yield self._padded(rows)
            first += size

    def _shuffled(self, seed: int, epoch: int) -> Tensor:
        return torch.randperm(self.count, generator=_generator(seed, epoch))

    def _rows(self, seed: int, step: int, batch_size: int) -> Tensor:
        """Documents without replacement within an epoch; a batch may end one epoch and begin the next."""
        first, last = step * batch_size, (step + 1) * batch_size
        parts = []
        for epoch in range(first // self.count, (last - 1) // self.count + 1):
            start = epoch * self.count
            parts.append(self._order(seed, epoch)[max(0, first - start) : last - start])
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _padded(self, rows: Tensor) -> ScoredBatch:
        lengths = self._lengths[rows]
        width = int(lengths.max())
        starts = self._starts[rows].to(self.device, non_blocking=True).unsqueeze(1)
        lengths = lengths.to(self.device, non_blocking=True).unsqueeze(1)
        position = torch.arange(width + 1, device=self.device)
        taken = self._flat[(starts + position).clamp_(max=len(self._flat) - 1)].long()
        inside = position[:width] < lengths
        return ScoredBatch(
            torch.where(inside, taken[:, :-1], BOUNDARY),
            torch.where(inside, taken[:, 1:], IGNORED),
            rows.numpy(),
        )


class StreamRows:
    """One stream: random crops of `length` for training, overlapping rows for evaluation.

    Stored with one boundary before it, so that its first token is predicted too.
    """

    def __init__(self, stream: NDArray[np.int32], length: int, device: torch.device) -> None:
        self.length = min(length, len(stream))
        self.device = device
        self.targets = len(stream)
        self._flat = torch.from_numpy(np.concatenate([[BOUNDARY], stream]).astype(np.int32)).to(device)
        half = max(1, self.length // 2)
        # (start, first scored, end): the first row scores all it has, every other the part after the first half
        self._stretches = [(0, 0, self.length)]
        while (done := self._stretches[-1][2]) < self.targets:
            end = min(done + half, self.targets)
            self._stretches.append((max(0, end - self.length), done, end))
        self.count = len(self._stretches)

    def batch(self, seed: int, step: int, batch_size: int) -> Batch:
        start = torch.randint(self.targets - self.length + 1, (batch_size, 1), generator=_generator(seed, step)).to(
            self.device, non_blocking=True
        )
        taken = self._flat[start + torch.arange(self.length + 1, device=self.device)].long()
        return Batch(taken[:, :-1], taken[:, 1:])

    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch:
        """Random targets, each with the `width` tokens before it; boundary tokens before the start of the stream."""
        place = 1 + torch.randint(self.targets, (batch_size,), generator=_generator(seed, step))
        return _windows(self._flat, place.to(self.device, non_blocking=True), torch.zeros_like(place[:, None]), width)

    def scored(self, max_tokens: int) -> Iterator[ScoredBatch]:
        """Every token once, each (but the first ones of the stream) with at least half of `length` before it."""
        size = max(1, max_tokens // self.length)
        position = torch.arange(self.length, device=self.device)
        for first in range(0, self.count, size):
            stretches = torch.tensor(self._stretches[first : first + size], device=self.device)
            start, scored = stretches[:, :1], stretches[:, 1:2]
            taken = self._flat[start + torch.arange(self.length + 1, device=self.device)].long()
            targets = torch.where(start + position >= scored, taken[:, 1:], IGNORED)
            yield ScoredBatch(taken[:, :-1], targets, np.arange(first, first + len(stretches)))


def _windows(flat: Tensor, place: Tensor, start: Tensor, width: int) -> Batch:
    """The targets at `place` (B,), and the `width` tokens before each, none of them from before `start` (B, 1)."""
    before = place.unsqueeze(1) + torch.arange(-width, 0, device=place.device)
    tokens = torch.where(before >= start.to(place.device), flat[before.clamp(min=0)].long(), BOUNDARY)
    return Batch(tokens, flat[place].long().unsqueeze(1))
