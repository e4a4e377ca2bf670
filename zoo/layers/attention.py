"""Causal multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zoo.layers.linear import linear
from zoo.layers.rotary import rotate
from zoo.packing import Packing


class CausalSelfAttention(nn.Module):
    """(B, T, C) -> (B, T, C): every position takes a weighted mean of values at itself and before.

    Args:
        channels: C, divisible by heads.
        heads: how many attention patterns run side by side.
        rotary: whether queries and keys are rotated by their position.
        dropout: probability of dropping an attention weight, and an output channel.
        gain: scale of the output's initial weights.
    """

    def __init__(self, channels: int, *, heads: int, rotary: bool, dropout: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels (={channels}) must be divisible by heads (={heads})")
        if rotary and channels // heads % 2:
            raise ValueError(f"rotary positions need an even number of channels a head, not {channels // heads}")
        self.heads, self.rotary, self.dropout = heads, rotary, dropout
        self.qkv = linear(channels, 3 * channels)
        self.out = linear(channels, channels, gain=gain)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.drop(self._merge(self._attend(*self._heads(x, start=0))))

    def packed(self, x: Tensor, packing: Packing) -> Tensor:
        """(M, C) -> (M, C), each row by itself: padded for the attention alone."""
        q, k, v = self._split(packing.pad(self.qkv(x)), start=0)
        return self.drop(self.out(packing.pack(rearrange(self._attend(q, k, v), "b h t d -> b t (h d)"))))

    def stream(self, x: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """(B, T, C) -> (B, T, C), after `position` inputs, in evaluation mode.

        Args:
            keys, values: (B, H, S, D), those of the inputs before; room for all these: S >= position + T. Updated
                in place.
        """
        length = position + x.shape[1]
        q, keys[:, :, position:length], values[:, :, position:length] = self._heads(x, start=position)
        mask = x.new_ones(x.shape[1], length, dtype=torch.bool).tril(position) if x.shape[1] > 1 else None
        return self._merge(F.scaled_dot_product_attention(q, keys[:, :, :length], values[:, :, :length], mask))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Three (B, H, T, D) -> (B, H, T, D), causal."""
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)

    def _heads(self, x: Tensor, *, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, C) -> queries, keys and values (B, H, T, D) of the positions from `start`."""
        return self._split(self.qkv(x), start=start)

    def _split(self, qkv: Tensor, *, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3·C) -> queries, keys and values (B, H, T, D) of the positions from `start`."""
        qkv = rearrange(qkv, "b t (three h d) -> three b h t d", three=3, h=self.heads)
        q, k = rotate(qkv[:2], start=start) if self.rotary else qkv[:2]
        return q, k, qkv[2]

    def _merge(self, mixed: Tensor) -> Tensor:
        """(B, H, T, D) -> (B, T, C)."""
        return self.out(rearrange(mixed, "b h t d -> b t (h d)"))
