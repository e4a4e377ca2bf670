"""Dilated causal convolution, channels last (van den Oord et al. 2016, section 2.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.layers.flatten_consecutive import SlidingFlatten
from zoo.layers.linear import linear
from zoo.packing import Packing


class CausalConv(nn.Module):
    """(B, T, C_in) -> (B, T, C_out): output t sees inputs t, t - d, ..., t - (k-1)·d; zeros before the start.

    A SlidingFlatten and one matrix product: on channels-last rows this is faster on a CPU than conv1d.

    Args:
        inputs: C_in.
        outputs: C_out.
        kernel: k, number of inputs that an output sees.
        dilation: d, distance between these inputs.
        gain: scale of the initial weights.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, dilation: int = 1, gain: float = 1.0) -> None:
        super().__init__()
        self.flatten = SlidingFlatten(kernel, dilation)
        self.linear = linear(kernel * inputs, outputs, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C_in) -> (B, T, C_out)."""
        padded: Tensor = F.pad(x, (0, 0, self.flatten.reach, 0))
        return self.linear(self.flatten(padded))

    def packed(self, x: Tensor, packing: Packing) -> Tensor:
        """(M, C_in) -> (M, C_out), for packed rows; zeros before the start of each."""
        ways = [k * self.flatten.dilation for k in range(self.flatten.n - 1, 0, -1)]
        past = [packing.before(x, way) * (packing.position >= way).unsqueeze(-1) for way in ways]
        return self.linear(torch.cat([*past, x], dim=-1))

    def stream(self, x: Tensor, ring: Tensor, position: int) -> Tensor:
        """(B, T, C_in) -> (B, T, C_out), after `position` earlier inputs; `ring`, at first zeros, has the last ones."""
        return self.linear(self.flatten.stream(x, ring, position))
