"""Rows of different lengths one after the other, without padding: what training computes on documents.

    (B, T) with padding        a n n a . . .        packed (M,)   a n n a . b o . c l a r a .
                               b o . . . . .
                               c l a r a . .

No position is computed that no target needs, and none enters a BatchNorm's statistics.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Packing:
    """Which position of which row each of M packed positions is.

    Args:
        position: (M,) its place t in its row.
        row: (M,) the row that it belongs to; rows follow one another.
        shape: (B, T) of the same rows with padding, or more; known on the host.
        lengths: (B,) of the rows, on the CPU; in a stack of packings, where position and row are (K, M), of all rows.
    """

    position: Tensor
    row: Tensor
    shape: tuple[int, int]
    lengths: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device | str = "cpu") -> "Packing":
        """The packing of rows of these lengths (B,), all at least 1, given on the CPU so that nobody waits."""
        total = int(lengths.sum())
        row = torch.repeat_interleave(lengths, output_size=total)
        position = torch.arange(total) - (lengths.cumsum(0) - lengths)[row]
        shape = (len(lengths), int(lengths.max()))
        return cls(position.to(device, non_blocking=True), row.to(device, non_blocking=True), shape, lengths)

    def repeated(self, total: int) -> "Packing":
        """These rows, and then the same again and again, the last one cut, until there are `total` >= M positions."""
        lengths = self.lengths.repeat(-(-total // len(self.position)))
        ends = lengths.cumsum(0)
        rows = int(torch.searchsorted(ends, total)) + 1
        lengths[rows - 1] -= ends[rows - 1] - total
        return Packing.of(lengths[:rows], self.position.device)

    @cached_property
    def _place(self) -> Tensor:
        """(M,) where each position stands among the B·T padded ones."""
        return self.row * self.shape[1] + self.position

    def pad(self, x: Tensor, value: float = 0) -> Tensor:
        """(M, ...) -> (B, T, ...), `value` after the end of each row."""
        rows, length = self.shape
        padded = x.new_full((rows * length, *x.shape[1:]), value)
        return padded.index_copy(0, self._place, x).unflatten(0, self.shape)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, T, ...) -> (M, ...)."""
        return padded.flatten(0, 1).index_select(0, self._place)

    def before(self, x: Tensor, distance: int) -> Tensor:
        """(M, ...) -> (M, ...): what stands `distance` positions earlier in the same row, or first in it."""
        here = torch.arange(len(self.position), device=x.device)
        return x.index_select(0, here - self.position.clamp(max=distance))
