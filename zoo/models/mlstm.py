"""mLSTM: a matrix memory with exponential gates (Beck et al. 2024, xLSTM, section 2.3, equations 19 to 27).

    C_t = f_t C_{t-1} + i_t v_t k_tᵀ,    n_t = f_t n_{t-1} + i_t k_t,    h_t = o_t · C_t q_t / max(|n_tᵀ q_t|, 1)

with i_t = exp(w_i x_t + b_i) and f_t = sigmoid(w_f x_t + b_f) for each head, and keys divided by sqrt(K). C and n are
kept divided by exp(m_t), where m_t = max(log f_t + m_{t-1}, log i_t), so that no exponential overflows (equation 15).
They are then one linear attention, with decay f_t exp(m_{t-1} - m_t), keys times i_t exp(-m_t), and values that end in
a 1, whose column of the matrix is n.

    (B, T, C) -> queries and keys (after a short convolution and SiLU), values, gate -> read -> norm of each head,
              times sigmoid(gate) -> Linear

A fresh state is C = n = 0 and m = 0. Gates start as in the authors' code: weights 0, b_i ~ N(0, 0.1²), b_f from 3 to 6
over the heads. The block of the paper is wider inside and has no MLP; this one is that of all mixers.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import ShortConv, linear, linear_attention
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MatrixOptions, MixerModel

SMALLEST = 1e-6
"""Least divisor of what is read, where exp(-m_t) is less."""


class MatrixMemory(Mixer):
    """Matrices of some heads with exponential input gates.

    Args:
        channels: C, a multiple of heads, at least twice.
        heads: H, number of matrices, each C/H × C/H.
        conv: kernel of the convolution before queries and keys; 0: none.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(self, channels: int, *, heads: int, conv: int, out_gain: float = 1.0) -> None:
        super().__init__()
        self.heads, self.size = heads, channels // heads
        self.conv = ShortConv(channels, conv) if conv else None
        self.address = linear(channels, 2 * channels)
        self.content = linear(channels, 2 * channels)
        self.gates = nn.Linear(channels, 2 * heads)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():
            self.gates.bias[:heads].normal_(std=0.1)
            self.gates.bias[heads:] = torch.linspace(3, 6, heads)
        self.norm = nn.LayerNorm(self.size, bias=False)
        self.outer = linear(channels, channels, gain=out_gain)

    def begin(self, batch_size: int) -> State:
        """C and n of the heads (B, H, K, V + 1), m (B, H), and the inputs that the convolution still sees."""
        weight = self.outer.weight
        exact = torch.promote_types(weight.dtype, torch.float32)
        fresh = {
            "matrix": weight.new_zeros(batch_size, self.heads, self.size, self.size + 1),
            "stabiliser": weight.new_zeros(batch_size, self.heads, dtype=exact),
        }
        return fresh if self.conv is None else {**fresh, "conv": self.conv.begin(batch_size)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        after, mixed = {}, x
        if self.conv is not None:
            mixed, after["conv"] = self.conv.run(x, state["conv"])
            mixed = F.silu(mixed)
        q, k = self.address(mixed).unflatten(-1, (2, self.heads, self.size)).unbind(-3)
        v, gate = self.content(x).unflatten(-1, (2, self.heads, self.size)).unbind(-3)
        log_decay, log_write, m = self._gate(x, state["stabiliser"])
        k = k * (log_write.exp() * self.size**-0.5).to(k.dtype)
        read, after["matrix"] = linear_attention(q, k, F.pad(v, (0, 1), value=1.0), log_decay, state["matrix"])
        after["stabiliser"] = m[:, -1, :, 0]
        read, total = read.split([self.size, 1], dim=-1)
        read = read / torch.maximum(total.abs(), (-m).exp().clamp(min=SMALLEST))
        return self.outer((self.norm(read.to(x.dtype)) * gate.sigmoid()).flatten(2)), after

    def _gate(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, C), m before (B, H) -> log of decay and of write, both divided by exp(m), and m: each (B, T, H, 1)."""
        gates = self.gates(x)
        log_write, forget = gates.to(torch.promote_types(gates.dtype, torch.float32)).unsqueeze(-1).chunk(2, dim=2)
        log_forget = F.logsigmoid(forget)
        # h does not depend on m, so m needs no gradient, and digits lost in long sums do not matter
        sums = log_forget.detach().cumsum(1)
        before, highest = before.detach()[:, None, :, None], log_write.detach() - sums
        if x.shape[1] > 1:  # ONNX has no cummax, and a step needs none
            highest = highest.cummax(1).values
        m = sums + torch.maximum(before, highest)
        return torch.cat([before, m[:, :-1]], dim=1) - m + log_forget, log_write - m, m


class MLSTM(MixerModel):
    """Matrix memory whose input gates are exponentials."""

    class Config(MatrixOptions):
        heads: int = Field(4, ge=1, description="number of matrices; divides channels, of which each has at least 2")
        conv: int = Field(4, ge=0, description="positions that a query or key sees: kernel of a convolution; 0: none")

        @model_validator(mode="after")
        def _heads_fit(self) -> "MLSTM.Config":
            if self.channels == self.heads:  # one channel less its mean would be 0
                raise ValueError(f"a head needs 2 channels: channels (={self.channels}), heads (={self.heads})")
            return self

    recipe = Recipe(lr=1.7e-2, weight_decay=0.011, warmup=0.11, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = "Beck et al. 2024, xLSTM: Extended Long Short-Term Memory"

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        return MatrixMemory(options.channels, heads=options.heads, conv=options.conv, out_gain=options.out_gain)
