"""Tokens on a device, and the batches that training and evaluation draw from them.

A batch is a pure function of (seed, step), independent of the model and its context: a checkpoint stores no data order,
and two models under one seed see the same batches.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.large.permutation import STORED, Permutation
from zoo.data.tokens import Tokens
from zoo.packing import Packing
from zoo.tokens import BOUNDARY, IGNORED

MOST_SCORES = 1 << 20
"""Maximum number of scores of an evaluation; in a split with more rows, neighbouring rows share a score."""
SORTED = 1 << 20
"""Documents that an evaluation sorts by length at a time."""

Shape = tuple[int, int, int]
"""Shape of a batch: rows B, length T of the longest, number of tokens without padding."""


class Batch(NamedTuple):
    """A training batch: tokens, and the target of each, in text the next token; IGNORED where a task scores nothing.

    Shapes of `tokens` and `targets`: (B, T) and (B, T) for a stream, or for a task; (B, W) and (B, 1), that of the last
    token, for windows; (M,) and (M,) for documents, packed as `packing` describes.
    """

    tokens: Tensor
    targets: Tensor
    packing: Packing | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the batch, on which the cost of a step depends."""
        rows, length = self.packing.shape if self.packing else self.tokens.shape
        return rows, length, self.tokens.numel()

    @property
    def target_count(self) -> int:
        """Number of targets, by which budgets and speeds are counted; those that a task does not score count too."""
        return self.targets.numel()

    def pad(self) -> tuple[Tensor, Tensor]:
        """Tokens and targets padded to (B, T), with targets IGNORED after the end of a row."""
        if self.packing is None:
            return self.tokens, self.targets
        return self.packing.pad(self.tokens, BOUNDARY), self.packing.pad(self.targets, IGNORED)


class ScoredBatch(NamedTuple):
    """An evaluation batch.

    Attributes:
        tokens, targets: (B, T); targets that this row does not score are IGNORED.
        row: (B,) index of the score, of a document or stretch, to which each row adds.
        following: (B, T) next tokens: the targets and, in a stream, also those that another row scores.
    """

    tokens: Tensor
    targets: Tensor
    row: NDArray[np.int64]
    following: Tensor


class Rows(Protocol):
    """One split on a device, from which batches are drawn.

    `batch` gives the rows of a training step, `windows` random targets with the `width` tokens before each, and
    `evaluation_batches` batches of up to `max_tokens` tokens (at least one row) that score every token once.
    """

    targets: int
    """Number of target tokens of the split."""
    count: int
    """Number of scores of an evaluation, of documents or of stretches of a stream."""
    rows_per_score: int
    """Number of neighbouring documents or stretches that share a score."""
    has_answers: bool
    """Whether targets are answers of their own, so that it is counted how many are right."""
    device: torch.device

    def batch(self, seed: int, step: int, batch_size: int) -> Batch: ...
    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch: ...
    def evaluation_batches(self, max_tokens: int) -> Iterator[ScoredBatch]: ...
    def count_targets(self, rows: int) -> NDArray[np.int64]:
        """(n,) number of targets of each of the first n <= `rows` documents or stretches."""


def _generator(*numbers: int) -> torch.Generator:
    """A generator on the CPU seeded by all the numbers together."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


class DocumentRows:
    """One document per row, after a boundary token; packed for training, padded on the right for evaluation."""

    def __init__(self, documents: Tokens, device: torch.device) -> None:
        self.device = device
        self.targets = documents.targets
        self.has_answers = documents.answers is not None
        self._documents = documents
        self._flat = _to_device(device, documents)
        self._answers = None if documents.answers is None else torch.from_numpy(documents.answers).to(device)
        self.rows_per_score = _rows_per_score(len(documents))
        self.count = -(-len(documents) // self.rows_per_score)
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def batch(self, seed: int, step: int, batch_size: int) -> Batch:
        """Packed documents of a step, without replacement within an epoch."""
        starts, counts = (torch.from_numpy(part) for part in self._documents.locate(self._rows(seed, step, batch_size)))
        packing = Packing.of(counts, self.device)
        place = starts.to(self.device, non_blocking=True)[packing.row] + packing.position
        self._documents.count_reads(batch_size)
        return Batch(self._flat[place].long(), self._targets_at(place), packing)

    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch:
        """Random targets, each with the `width` tokens before it; boundary tokens stand before a document."""
        drawn = 1 + torch.randint(self.targets, (batch_size,), generator=_generator(seed, step)).numpy()
        if self._documents.answers is not None:
            place = self._scored[drawn - 1]
            row = np.searchsorted(self._documents.starts, place, side="right") - 1
            first = torch.from_numpy(self._documents.starts[row]).to(self.device).unsqueeze(1)
            return take_windows(self._flat, torch.from_numpy(place).to(self.device), first, width, self._answers)
        row = np.searchsorted(self._ends, drawn)
        start, length = self._documents.locate(row)
        place = torch.from_numpy(start + drawn - (self._ends[row] - length))
        self._documents.count_reads(batch_size)
        first = torch.from_numpy(start).to(self.device, non_blocking=True).unsqueeze(1)
        return take_windows(self._flat, place.to(self.device, non_blocking=True) - 1, first, width)

    def evaluation_batches(self, max_tokens: int) -> Iterator[ScoredBatch]:
        """Yield every document once, sorted by length: in evaluation mode rows do not influence each other."""
        for block in range(0, len(self._documents), SORTED):
            rows = np.arange(block, min(block + SORTED, len(self._documents)))
            lengths = self._documents.locate(rows)[1]
            order = np.argsort(-lengths, kind="stable")
            first = 0
            while first < len(rows):
                size = max(1, max_tokens // int(lengths[order[first]]))
                some = rows[order[first : first + size]]
                tokens, targets = self._pad(some)
                yield ScoredBatch(tokens, targets, some // self.rows_per_score, targets)
                first += size

    def count_targets(self, rows: int) -> NDArray[np.int64]:
        """(n,) number of targets of each of the first n <= `rows` documents."""
        return self._documents.count_targets(np.arange(min(rows, len(self._documents))))

    def _targets_at(self, place: Tensor) -> Tensor:
        """Targets of the tokens at places of `flat`."""
        return (self._flat[place + 1] if self._answers is None else self._answers[place]).long()

    @cached_property
    def _scored(self) -> NDArray[np.int64]:
        """Places of the tokens with a target, if targets are answers."""
        assert self._documents.answers is not None
        return np.flatnonzero(self._documents.answers != IGNORED)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """(documents,) cumulative number of targets up to the end of each row."""
        if self._documents.order is None:
            return self._documents.starts[1:]
        return self._documents.locate(np.arange(len(self._documents)))[1].cumsum()

    def _shuffle(self, seed: int, epoch: int) -> Callable[[int, int], NDArray[np.int64]]:
        """Shuffled order of an epoch, as a function (first, last) -> rows at places first to last - 1."""
        count = len(self._documents)
        if count > STORED:
            permutation = Permutation(count, seed, epoch)
            return lambda first, last: permutation(np.arange(first, last))
        order = torch.randperm(count, generator=_generator(seed, epoch)).numpy()
        return lambda first, last: order[first:last]

    def _rows(self, seed: int, step: int, batch_size: int) -> NDArray[np.int64]:
        """(B,) documents of a batch, drawn without replacement within an epoch; a batch may span several epochs."""
        first, last, count = step * batch_size, (step + 1) * batch_size, len(self._documents)
        parts = []
        for epoch in range(first // count, (last - 1) // count + 1):
            start = epoch * count
            parts.append(self._order(seed, epoch)(max(0, first - start), min(count, last - start)))
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _pad(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """(B,) documents -> padded tokens and targets (B, T)."""
        found, counts = (torch.from_numpy(part) for part in self._documents.locate(rows))
        width = int(counts.max())
        starts = found.to(self.device, non_blocking=True).unsqueeze(1)
        lengths = counts.to(self.device, non_blocking=True).unsqueeze(1)
        position = torch.arange(width, device=self.device)
        inside = position < lengths
        place = torch.where(inside, starts + position, 0)
        self._documents.count_reads(len(rows))
        tokens = torch.where(inside, self._flat[place].long(), BOUNDARY)
        return tokens, torch.where(inside, self._targets_at(place), IGNORED)


class StreamRows:
    """One stream: random crops of `length` for training, overlapping rows for evaluation.

    A boundary token precedes the stream, so that its first token is a target too.
    """

    has_answers = False

    def __init__(self, stream: Tokens, length: int, device: torch.device) -> None:
        self.targets = stream.targets - 1  # the end of a stream is no target
        self.length = min(length, self.targets)
        self.device = device
        self._stream = stream
        self._flat = _to_device(device, stream)
        self._half = max(1, self.length // 2)
        self._stretches = 1 - (self.length - self.targets) // self._half
        self.rows_per_score = _rows_per_score(self._stretches)
        self.count = -(-self._stretches // self.rows_per_score)

    def batch(self, seed: int, step: int, batch_size: int) -> Batch:
        """Random crops (B, T) of the stream."""
        start = torch.randint(self.targets - self.length + 1, (batch_size, 1), generator=_generator(seed, step)).to(
            self.device, non_blocking=True
        )
        return Batch(*_shift(self._rows(start)))

    def windows(self, seed: int, step: int, batch_size: int, width: int) -> Batch:
        """Random targets, each with the `width` tokens before it; boundary tokens stand before the stream."""
        place = 1 + torch.randint(self.targets, (batch_size,), generator=_generator(seed, step))
        self._stream.count_reads(batch_size)
        return take_windows(
            self._flat, place.to(self.device, non_blocking=True) - 1, torch.zeros_like(place[:, None]), width
        )

    def evaluation_batches(self, max_tokens: int) -> Iterator[ScoredBatch]:
        """Yield rows that score every token once, with at least half of `length` before it except in the first row.

        The first row scores all its tokens, every other row only those that no earlier row has scored.
        """
        size = max(1, max_tokens // self.length)
        position = torch.arange(self.length, device=self.device)
        for first in range(0, self._stretches, size):
            stretch = torch.arange(first, min(first + size, self._stretches), device=self.device).unsqueeze(1)
            scored = torch.where(stretch > 0, self.length + (stretch - 1) * self._half, 0)
            end = (self.length + stretch * self._half).clamp_(max=self.targets)
            start = end - self.length
            tokens, following = _shift(self._rows(start))
            targets = torch.where(start + position >= scored, following, IGNORED)
            numbers = np.arange(first, first + len(stretch)) // self.rows_per_score
            yield ScoredBatch(tokens, targets, numbers, following)

    def count_targets(self, rows: int) -> NDArray[np.int64]:
        """(n,) number of targets of each of the first n <= `rows` stretches."""
        ends = np.minimum(self.length + self._half * np.arange(min(rows, self._stretches)), self.targets)
        return np.diff(ends, prepend=0)

    def _rows(self, start: Tensor) -> Tensor:
        """(B, 1) starts -> (B, length + 1) tokens."""
        taken = self._flat[start + torch.arange(self.length + 1, device=self.device)].long()
        self._stream.count_reads(len(start))
        return taken


def _shift(taken: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T + 1) -> tokens and targets (B, T), in memory of their own.

    Views of one tensor would put targets in the memory of the tokens, where a model could read and overwrite them.
    """
    return taken[:, :-1].clone(), taken[:, 1:].clone()


def _to_device(device: torch.device, tokens: Tokens) -> Tensor:
    """Move the flat tokens to a device; on the CPU they stay where they are."""
    flat = torch.from_numpy(tokens.flat)
    if device.type != "cpu" and flat.dtype == torch.uint16:
        flat = flat.int()  # which every device can index
    there = flat.to(device)
    tokens.count_reads(len(flat) if device.type != "cpu" else 0)
    return there


def _rows_per_score(rows: int) -> int:
    """Number of neighbouring rows that share a score."""
    return max(1, -(-rows // MOST_SCORES))


def take_windows(flat: Tensor, place: Tensor, start: Tensor, width: int, answers: Tensor | None = None) -> Batch:
    """Take windows of `width` tokens that end at `place` (B,), and the target of the last token of each.

    Args:
        start: (B, 1), places before which boundary tokens stand.
        answers: like `flat`, the target of every token; None: the next token.
    """
    window = place.unsqueeze(1) + torch.arange(1 - width, 1, device=place.device)
    tokens = torch.where(window >= start.to(place.device), flat[window.clamp(min=0)].long(), BOUNDARY)
    targets = flat[place + 1] if answers is None else answers[place]
    return Batch(tokens, targets.long().unsqueeze(1))
