"""Causal multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zoo.layers.linear import linear
from zoo.layers.rotary import rotate


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
        q, k, v = rearrange(self.qkv(x), "b t (three h d) -> three b h t d", three=3, h=self.heads)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return self.drop(self.out(rearrange(mixed, "b h t d -> b t (h d)")))
