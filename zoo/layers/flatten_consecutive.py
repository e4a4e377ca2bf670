"""Fuse neighbours in time, the step that makes a flat network hierarchical.

`FlattenConsecutive(n)` fuses groups of n into one output each, as in the lecture's tree. `SlidingFlatten(n)` fuses the
last n at every position, which computes the same for all windows of a row at once.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from zoo.packing import Packing


class FlattenConsecutive(nn.Module):
    """(..., T, C) -> (..., T/n, n·C): the channels of n consecutive positions concatenated, the oldest first."""

    def __init__(self, n: int) -> None:
        super().__init__()
        if n < 1:
            raise ValueError(f"FlattenConsecutive fuses n >= 1 positions, not n={n}")
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T/n, n·C).

        Raises:
            ValueError: n does not divide T.
        """
        if x.shape[-2] % self.n:
            raise ValueError(f"FlattenConsecutive: length T={x.shape[-2]} must be divisible by n={self.n}")
        return rearrange(x, "... (t n) c -> ... t (n c)", n=self.n)

    def extra_repr(self) -> str:
        return f"{self.n}"


class SlidingFlatten(nn.Module):
    """(B, T, C) -> (B, T - (n-1)·dilation, n·C): FlattenConsecutive of the group that ends at each position.

    The output at position t holds the inputs t - (n-1)·dilation, ..., t - dilation, t. Followed by a Linear it is a
    dilated convolution with the weights of the tree.

    `stream` computes the same for a row that comes in parts. It keeps the last `reach` inputs in a ring, in which the
    newest replaces the oldest, so that a position costs n reads at any dilation (Paine et al. 2016, Fast Wavenet
    Generation Algorithm, section 2).
    """

    def __init__(self, n: int, dilation: int = 1) -> None:
        super().__init__()
        if n < 1 or dilation < 1:
            raise ValueError(f"SlidingFlatten needs n >= 1 and dilation >= 1, not n={n}, dilation={dilation}")
        self.n, self.dilation = n, dilation

    @property
    def reach(self) -> int:
        """How far before t an output at t looks; the output is shorter than the input by as many positions."""
        return (self.n - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T - reach, n·C).

        Raises:
            ValueError: the row is shorter than one group.
        """
        length = x.shape[1] - self.reach
        if length < 1:
            raise ValueError(f"SlidingFlatten: length T={x.shape[1]} must be greater than its reach {self.reach}")
        if self.n == 1:
            return x
        return torch.cat([x.narrow(1, k * self.dilation, length) for k in range(self.n)], dim=-1)

    def replicate(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, n·C), as if copies of the first position preceded the row."""
        here = torch.arange(x.shape[1], device=x.device)
        past = [x.index_select(1, (here - k * self.dilation).clamp(min=0)) for k in range(self.n - 1, 0, -1)]
        return torch.cat([*past, x], dim=-1)

    def packed(self, x: Tensor, packing: Packing) -> Tensor:
        """(M, C) -> (M, n·C): `replicate` of every row of a packing."""
        past = [packing.before(x, k * self.dilation) for k in range(self.n - 1, 0, -1)]
        return torch.cat([*past, x], dim=-1)

    def stream(self, x: Tensor, ring: Tensor, position: int) -> Tensor:
        """(B, T, C) -> (B, T, n·C), after `position` earlier inputs; T >= 1.

        Args:
            x: the next T inputs.
            ring: (B, reach, C) last inputs, input s at s mod reach; at first those before the row. Updated in place.
            position: number of earlier inputs.
        """
        if self.n == 1:
            return x
        now = position % self.reach
        if x.shape[1] == 1:
            past = [ring[:, (now - k * self.dilation) % self.reach] for k in range(self.n - 1, 0, -1)]
            fused = torch.cat([*past, x[:, 0]], dim=-1).unsqueeze(1)
            ring[:, now] = x[:, 0]
            return fused
        row = torch.cat([ring.roll(-now, dims=1), x], dim=1)  # in order of time
        ring.copy_(row[:, -self.reach :].roll(now + x.shape[1], dims=1))
        return self(row)

    def extra_repr(self) -> str:
        return f"{self.n}, dilation={self.dilation}"
