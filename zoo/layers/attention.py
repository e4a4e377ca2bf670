"""Causal multi-head self-attention (Vaswani et al. 2017, section 3.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.layers.linear import linear
from zoo.layers.rotary import rotate


class CausalSelfAttention(nn.Module):
    """(B, T, C) -> (B, T, C): every position takes a weighted mean of the values at itself and earlier positions.

    Args:
        channels: C, divisible by heads.
        heads: H, number of attention heads.
        rotary: whether queries and keys are rotated by their position.
        dropout: probability of dropping an attention weight.
        gain: scale of the initial weights of queries, keys and values.
        out_gain: scale of the output layer's initial weights.

    Raises:
        ValueError: heads does not divide C, or rotary positions are asked for with an odd C/H.
    """

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        rotary: bool,
        dropout: float = 0.0,
        gain: float = 1.0,
        out_gain: float = 1.0,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels (={channels}) must be divisible by heads (={heads})")
        if rotary and channels // heads % 2:
            raise ValueError(f"rotary positions need an even number of channels a head, not {channels // heads}")
        self.heads, self.rotary, self.dropout = heads, rotary, dropout
        self.qkv = linear(channels, 3 * channels, gain=gain)
        self.out = linear(channels, channels, gain=out_gain)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        q, k, v = self._heads(x, torch.arange(x.shape[1], device=x.device))
        return self._merge(self._attend(q, k, v))

    def chunked(self, x: Tensor, position: Tensor, visible: Tensor) -> Tensor:
        """(chunks, S, C) -> (chunks, S, C), for packed rows that attend to themselves alone.

        Args:
            position: (chunks, S) position of each input in its row.
            visible: (chunks, S, 2·S) added to the scores of the previous chunk and of its own: 0 where
                `Packing.visible`, minus infinity elsewhere. The last chunk serves as the one before the first.
        """
        q, k, v = self._heads(x, position)
        k, v = (torch.cat([part.roll(1, dims=0), part], dim=1) for part in (k, v))
        return self._merge(self._attend(q, k, v, visible.unsqueeze(1).to(q.dtype)))

    def stream(self, x: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """(B, T, C) -> (B, T, C), after `position` earlier inputs, in evaluation mode.

        Args:
            x: the next T inputs.
            keys: (B, H, S, D), S >= position + T: keys of the earlier inputs; the new ones are written in place.
            values: (B, H, S, D), likewise.
            position: number of earlier inputs.
        """
        end = position + x.shape[1]
        q, k, v = self._heads(x, torch.arange(position, end, device=x.device))
        keys[:, :, position:end], values[:, :, position:end] = k.transpose(1, 2), v.transpose(1, 2)
        visible = x.new_ones(x.shape[1], end, dtype=torch.bool).tril(position) if x.shape[1] > 1 else None
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), keys[:, :, :end], values[:, :, :end], visible)
        return self._merge(mixed.transpose(1, 2))

    def _heads(self, x: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, C) at positions (T,) or (B, T) -> queries, keys and values (B, T, H, D)."""
        parts = self.qkv(x).unflatten(-1, (3 * self.heads, -1))
        if not self.rotary:
            return parts.chunk(3, dim=-2)
        both, v = parts.split([2 * self.heads, self.heads], dim=-2)
        q, k = rotate(both, position.unsqueeze(-1)).chunk(2, dim=-2)
        return q, k, v

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
        """Queries (B, T, H, D), keys and values (B, S, H, D) -> (B, T, H, D); causal if no mask is given."""
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, visible, is_causal=visible is None, dropout_p=dropout)
        return mixed.transpose(1, 2)

    def _merge(self, mixed: Tensor) -> Tensor:
        """(B, T, H, D) -> (B, T, C)."""
        return self.out(mixed.flatten(2))
