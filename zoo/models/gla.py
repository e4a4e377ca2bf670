"""Linear attention with decay: attention as a matrix of fixed size that is written, forgets, and is read.

    S_t = diag(a_t) S_{t-1} + k_t v_tᵀ,    o_t = S_tᵀ q_t

decay=none is linear attention (Katharopoulos et al. 2020): a_t = 1, queries and keys made positive by elu + 1.
decay=head is RetNet's retention (Sun et al. 2023) without its rotation: each head forgets at a fixed rate of its own.
decay=gated is GLA (Yang et al. 2024): the token decides for each channel of the keys.

    (B, T, C) -> queries, keys, values of each head -> read -> norm of each head, times silu(gate) -> Linear

With `conv` a short convolution and SiLU stand after queries, keys and values, as in delta-net: it sees neighbours at
once, which a layer of linear attention cannot. The norm of a head's output takes the place of Katharopoulos' division
by the sum of the weights, which it cancels.
"""

from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import ShortConv, linear, linear_attention
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MatrixOptions, MixerModel

TEMPERATURE = 16
"""Divides the log of the gates, so that they start near 1 (Yang et al. 2024, section 4.4)."""
RANK = 16
"""Channels between the two matrices of the gates."""
Decay = Literal["none", "head", "gated"]


class LinearAttention(Mixer):
    """Linear attention of some heads, with a decay.

    Args:
        channels: C, divisible by heads.
        heads: H, number of matrices, each C/H × C/H.
        decay: see above.
        conv: kernel of the short convolution; 0: none.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(self, channels: int, *, heads: int, decay: Decay, conv: int = 0, out_gain: float = 1.0) -> None:
        super().__init__()
        self.heads, self.decay, self.size = heads, decay, channels // heads
        self.inner = linear(channels, 4 * channels)
        self.conv = ShortConv(3 * channels, conv) if conv else None
        self.gates = (
            nn.Sequential(linear(channels, RANK, bias=False), linear(RANK, channels)) if decay == "gated" else None
        )
        self.norm = nn.RMSNorm(self.size, eps=1e-5)
        self.outer = linear(channels, channels, gain=out_gain)

    def begin(self, batch_size: int) -> State:
        """The matrices of the heads, zeros (B, H, K, V), and the inputs that the convolution still sees."""
        state = {"matrix": self.outer.weight.new_zeros(batch_size, self.heads, self.size, self.size)}
        return state if self.conv is None else state | {"inputs": self.conv.begin(batch_size)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        inner, gate = self.inner(x).split([3 * x.shape[-1], x.shape[-1]], dim=-1)
        after: State = {}
        if self.conv is not None:
            inner, after["inputs"] = self.conv.run(inner, state["inputs"])
            inner = F.silu(inner)
        q, k, v = inner.unflatten(-1, (3, self.heads, self.size)).unbind(-3)
        gate = gate.unflatten(-1, (self.heads, self.size))
        if self.decay == "none":
            q, k = F.elu(q) + 1, F.elu(k) + 1
        read, after["matrix"] = linear_attention(q, k, v, self._log_decay(x), state["matrix"])
        return self.outer((self.norm(read.to(self.norm.weight.dtype)) * F.silu(gate)).flatten(2)), after

    def _log_decay(self, x: Tensor) -> Tensor | None:
        """(B, T, C) -> log a_t of each head (B, T, H, 1) or of each channel (B, T, H, K)."""
        if self.decay == "head":
            rates = torch.log1p(-(2.0 ** (-5 - torch.arange(self.heads, dtype=x.dtype, device=x.device))))
            return rates.unsqueeze(-1).expand(*x.shape[:2], self.heads, 1)
        if self.gates is None:
            return None
        return F.logsigmoid(self.gates(x)).unflatten(-1, (self.heads, self.size)) / TEMPERATURE


class GLA(MixerModel):
    """Linear attention: a matrix for each head in place of all past keys and values."""

    class Config(MatrixOptions):
        decay: Decay = Field("gated", description="how the past fades: not, at a rate a head, or as the token says")
        conv: int = Field(0, ge=0, description="kernel of the convolution of queries, keys and values; 0: none")

    recipe = Recipe(optimizer="muon", lr=3.1e-2, weight_decay=0.032, warmup=0.048, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2e-2, weight_decay=0.1, warmup=0.05, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = "Yang et al. 2024, Gated Linear Attention Transformers with Hardware-Efficient Training"

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        return LinearAttention(
            options.channels, heads=options.heads, decay=options.decay, conv=options.conv, out_gain=options.out_gain
        )
