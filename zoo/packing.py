"""Pack rows of different lengths one after the other, without padding, for training on documents.

    (B, T) with padding        a n n a . . .        packed (M,)   a n n a . b o . c l a r a .
                               b o . . . . .
                               c l a r a . .

Every position has a target: no computation is wasted, and no padding enters the statistics of a BatchNorm.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

ALIGNED = 16
"""Chunk lengths are multiples of this: small matrix products of other sizes are slower."""


def chunk_size(length: int) -> int:
    """Number of positions in a chunk if the longest row has `length`."""
    return -(-length // ALIGNED) * ALIGNED


@dataclass(frozen=True, eq=False)
class Packing:
    """Row, and position in the row, of each of M packed positions.

    Args:
        position: (M,) position t in its row.
        row: (M,) index of its row, ascending.
        shape: (B, T) of the padded rows, or larger; known on the host.
        lengths: (B,) row lengths, on the CPU; in a stack of packings, where position and row are (K, M), those of all
            rows.
    """

    position: Tensor
    row: Tensor
    shape: tuple[int, int]
    lengths: Tensor

    @classmethod
    def of(cls, lengths: Tensor, device: torch.device | str = "cpu") -> "Packing":
        """Packing of rows of these lengths (B,), all at least 1, on the CPU to avoid a host-device synchronisation."""
        counts = lengths.numpy()  # on small arrays faster than torch
        ends = counts.cumsum()
        row = torch.from_numpy(np.arange(len(counts)).repeat(counts))
        position = torch.from_numpy(np.arange(ends[-1]) - (ends - counts).repeat(counts))
        shape = (len(counts), int(counts.max()))
        return cls(position.to(device, non_blocking=True), row.to(device, non_blocking=True), shape, lengths)

    def repeat(self, total: int) -> "Packing":
        """Repeat the rows until they fill `total` >= M positions; the last row is cut."""
        lengths = self.lengths.repeat(-(-total // len(self.position)))
        ends = lengths.cumsum(0)
        rows = int(torch.searchsorted(ends, total)) + 1
        lengths[rows - 1] -= ends[rows - 1] - total
        return Packing.of(lengths[:rows], self.position.device)

    @cached_property
    def _place(self) -> Tensor:
        """(M,) index of each position among the B·T padded ones."""
        return self.row * self.shape[1] + self.position

    def pad(self, x: Tensor, value: float = 0) -> Tensor:
        """(M, ...) -> (B, T, ...), with `value` after the end of each row."""
        rows, length = self.shape
        padded = x.new_full((rows * length, *x.shape[1:]), value)
        return padded.index_copy(0, self._place, x).unflatten(0, self.shape)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, T, ...) -> (M, ...)."""
        return padded.flatten(0, 1).index_select(0, self._place)

    @property
    def chunk(self) -> int:
        """S, positions of a chunk: at least the longest row, so that a row lies in at most two neighbouring chunks."""
        return chunk_size(self.shape[1])

    def chunked(self, x: Tensor) -> Tensor:
        """(M, ...) -> (chunks, S, ...), cut regardless of rows; zeros after the last position."""
        end = -len(x) % self.chunk
        return torch.cat([x, x.new_zeros(end, *x.shape[1:])]).unflatten(0, (-1, self.chunk))

    @property
    def visible(self) -> Tensor:
        """(chunks, S, 2·S): whether a position may see each position of the previous chunk and of its own.

        A position at distance d before it is in the same row if d is at most its position in the row.
        """
        S = self.chunk  # noqa: N806
        place = torch.arange(2 * S, device=self.position.device)
        distance = place[S:].unsqueeze(1) - place
        return (distance >= 0) & (distance <= self.chunked(self.position).unsqueeze(-1))

    def before(self, x: Tensor, distance: int) -> Tensor:
        """(M, ...) -> (M, ...): the value `distance` positions earlier in the same row, or the row's first value."""
        here = torch.arange(len(self.position), device=x.device)
        return x.index_select(0, here - self.position.clamp(max=distance))
