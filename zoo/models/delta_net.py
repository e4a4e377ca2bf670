"""Delta rule: attention as a matrix of fixed size in which a token replaces what the matrix holds for its key.

    S_t = a_t (I - b_t k_t k_tᵀ) S_{t-1} + b_t k_t v_tᵀ,    o_t = S_tᵀ q_t

gated=false, a_t = 1, is DeltaNet (Schlag et al. 2021; Yang et al. 2024). gated=true is Gated DeltaNet (Yang et al.
2025): the token says how much of all that a head holds fades, log a_t = -A softplus(w x + d). negative=true lets b_t
reach 2 instead of 1: eigenvalues of I - b k kᵀ down to -1, so that the state can count modulo 2 (Grazzi et al. 2025).

    (B, T, C) -> queries, keys, values -> short convolution, SiLU -> queries and keys of length 1
              -> read -> norm of each head, times silu(gate) -> Linear
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import ShortConv, delta_rule, linear
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MatrixOptions, MixerModel

LARGEST_RATE = 16
"""Initial A of the heads are uniform from 0 to this, as in the authors' code."""
STEPS = (1e-3, 1e-1)
"""Range of the initial softplus(d) (Gu and Dao 2023, section 3.6), uniform in its log as in their code."""
TINY = 1e-6
"""Added to the squared length of a query or key, so that the gradient of a zero vector is finite."""


class DeltaMemory(Mixer):
    """The delta rule of some heads.

    Args:
        channels: C, divisible by heads.
        heads: H, number of matrices, each C/H × C/H.
        gated: whether the matrices fade.
        negative: whether the strength of a write lies in (0, 2) instead of (0, 1).
        conv: kernel of the convolution of queries, keys and values; 0: neither convolution nor SiLU.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(
        self, channels: int, *, heads: int, gated: bool, negative: bool, conv: int, out_gain: float = 1.0
    ) -> None:
        super().__init__()
        self.heads, self.gated, self.negative, self.size = heads, gated, negative, channels // heads
        self.inner = linear(channels, 4 * channels)
        self.conv = ShortConv(3 * channels, conv) if conv else None
        self.write = linear(channels, heads, bias=False)
        if gated:
            self.step = linear(channels, heads, bias=False)
            self.log_rate = nn.Parameter((LARGEST_RATE * (1 - torch.rand(heads))).log())
            shortest, longest = torch.tensor(STEPS).log()
            steps = (shortest + (longest - shortest) * torch.rand(heads)).exp()
            self.step_bias = nn.Parameter(steps.expm1().log())  # softplus of it is the step
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
        q, k = (part * (part.square().sum(-1, keepdim=True) + TINY).rsqrt() for part in (q, k))
        write = self.write(x).sigmoid().unsqueeze(-1) * (2 if self.negative else 1)
        read, after["matrix"] = delta_rule(q, k, v, write, self._log_decay(x), state["matrix"])
        gate = gate.unflatten(-1, (self.heads, self.size))
        return self.outer((self.norm(read.to(self.norm.weight.dtype)) * F.silu(gate)).flatten(2)), after

    def _log_decay(self, x: Tensor) -> Tensor | None:
        """(B, T, C) -> log a_t (B, T, H, 1), in float32 or wider."""
        if not self.gated:
            return None
        exact = torch.promote_types(x.dtype, torch.float32)
        step = F.softplus(self.step(x).to(exact) + self.step_bias)
        return (-self.log_rate.to(exact).exp() * step).unsqueeze(-1)

    def parameter_groups(self) -> Mapping[str, Mapping[str, float]]:
        """No weight decay of rates and steps, as in Mamba-2."""
        return {"log_rate": {"decay": 0}, "step_bias": {"decay": 0}} if self.gated else {}


class DeltaNet(MixerModel):
    """The delta rule: a matrix for each head that is corrected, not only added to."""

    class Config(MatrixOptions):
        gated: bool = Field(True, description="let each head's matrix fade as the token says (Gated DeltaNet)")
        negative: bool = Field(False, description="strength of writes in (0, 2) instead of (0, 1)")
        conv: int = Field(4, ge=0, description="kernel of the convolution of queries, keys and values; 0: none")

    recipe = Recipe(optimizer="muon", lr=3.4e-2, weight_decay=0.025, warmup=0.15, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.1, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = "Yang et al. 2025, Gated Delta Networks: Improving Mamba2 with Delta Rule"

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        return DeltaMemory(
            options.channels,
            heads=options.heads,
            gated=options.gated,
            negative=options.negative,
            conv=options.conv,
            out_gain=options.out_gain,
        )
