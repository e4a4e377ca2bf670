"""RG-LRU: a linear recurrence of a vector with gates, in the recurrent block of Griffin (De et al. 2024).

    h_t = a_t ⊙ h_{t-1} + sqrt(1 - a_t²) ⊙ (i_t ⊙ x_t),    log a_t = -8 r_t ⊙ softplus(Λ)

The gates r_t (how much of the past fades) and i_t (how much enters) are sigmoids of the input x_t alone, so all
positions are computed at once by a scan. The vector forgets as much as it takes in, so its scale stays. At the first
position of a row there is nothing to forget: a_1 = 0, so that i_1 ⊙ x_1 enters whole, as in the authors' code
(RecurrentGemma).

    (B, T, C) -> Linear -> convolution -> RG-LRU -> times GeLU(Linear) -> Linear

With `attention_every=3` two recurrent blocks alternate with one of local attention, which is Griffin; without attention
it is Hawk.
"""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import LocalAttention, ShortConv, linear, scan
from zoo.layers.local_attention import check_heads
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MatrixOptions, MixerModel

SHARPNESS = 8.0
"""Largest multiple of softplus(Λ) by which a channel fades (section 2.4: c)."""
SLOWEST, FASTEST = 0.999, 0.9
"""Range of the initial decays with an open gate, uniform (section 2.4)."""
NOTHING = -100.0
"""Log of a decay that is 0: 1 + expm1 of it is, in any dtype."""
SMALLEST = 1e-12
"""Added to 1 - a², whose root has no gradient at 0."""


class GatedRecurrence(nn.Module):
    """RG-LRU (De et al. 2024, section 2.4): a recurrence of D numbers whose decay and input are gated.

    Gates have block-diagonal matrices, one block for each head, of LeCun's variance 1/fan-in.

    Args:
        width: D, divisible by heads.
        heads: H, number of blocks.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        size = width // heads
        self.gates = nn.Parameter(torch.randn(2, heads, size, size) * size**-0.5)
        self.gate_bias = nn.Parameter(torch.zeros(2 * width))
        decay = torch.empty(width).uniform_(FASTEST, SLOWEST)
        self.rate = nn.Parameter(torch.expm1(-decay.log() / SHARPNESS).log())  # the inverse of softplus

    def run(self, x: Tensor, before: Tensor, begun: Tensor) -> Tensor:
        """(B, T, D), h before it (B, D), 1 where the row has begun (B, 1) -> h (B, T, D)."""
        exact = torch.promote_types(x.dtype, torch.float32)
        heads, size = self.gates.shape[1:3]
        sums = torch.einsum("bthi,ghio->btgho", x.unflatten(-1, (heads, size)), self.gates).flatten(2)
        fading, entering = torch.sigmoid(sums + self.gate_bias).chunk(2, dim=-1)
        start = F.pad((NOTHING * (1 - begun)).unsqueeze(1), (0, 0, 0, x.shape[1] - 1))
        log_decay = torch.addcmul(start, fading.to(exact), -SHARPNESS * F.softplus(self.rate.to(exact)))
        less = torch.expm1(log_decay)  # a - 1, without loss where a is near 1
        root = (SMALLEST - less * (2 + less)).sqrt()
        return scan(1 + less, root * (entering * x), before)


class RecurrentBlock(Mixer):
    """Griffin's recurrent block (De et al. 2024, section 2.3).

    Args:
        channels: C.
        width: D, size of the recurrent vector, divisible by heads.
        heads: blocks of the gates' matrices.
        conv: positions that the convolution sees.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(self, channels: int, *, width: int, heads: int, conv: int, out_gain: float = 1.0) -> None:
        super().__init__()
        self.inner = linear(channels, 2 * width)
        self.conv = ShortConv(width, conv)
        self.recurrence = GatedRecurrence(width, heads=heads)
        self.outer = linear(width, channels, gain=out_gain)

    def begin(self, batch_size: int) -> State:
        """Inputs of the convolution (B, k - 1, D), h (B, D), and whether the row has begun (B, 1): all zeros."""
        weight = self.outer.weight
        exact = torch.promote_types(weight.dtype, torch.float32)
        hidden = weight.new_zeros(batch_size, weight.shape[1], dtype=exact)
        return {"inputs": self.conv.begin(batch_size), "hidden": hidden, "begun": hidden.new_zeros(batch_size, 1)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        gate, x = self.inner(x).chunk(2, dim=-1)
        x, inputs = self.conv.run(x, state["inputs"])
        hidden = self.recurrence.run(x, state["hidden"], state["begun"])
        after = {"inputs": inputs, "hidden": hidden[:, -1], "begun": torch.ones_like(state["begun"])}
        return self.outer(hidden.to(gate.dtype) * F.gelu(gate)), after


class RGLRU(MixerModel):
    """Gated linear recurrence of a vector, with or without local attention between."""

    class Config(MatrixOptions):
        heads: int = Field(4, ge=1, description="blocks of the gates' matrices, and attention heads; divides channels")
        expand: int = Field(1, ge=1, description="size of the recurrent vector, in multiples of channels")
        conv: int = Field(4, ge=1, description="positions that the convolution before the recurrence sees")
        attention_every: int = Field(
            0, ge=0, description="every n-th block has local attention in place of the recurrence; 0: none"
        )
        window: int = Field(32, ge=1, description="positions that local attention sees")

        @model_validator(mode="after")
        def _sizes_fit(self) -> "RGLRU.Config":
            every = self.attention_every
            if every:
                check_heads(self.channels, self.heads)
            else:
                self.require("attention_every=2", of=["window"])
            if every > self.layers:
                raise ValueError(f"attention_every (={every}) is more than layers (={self.layers}): no attention")
            return self

    recipe = Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=2e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = (
        "De et al. 2024, Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient Language Models"
    )

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        C, gain = options.channels, options.out_gain
        if options.attention_every and (layer + 1) % options.attention_every == 0:
            return LocalAttention(C, heads=options.heads, window=options.window, out_gain=gain)
        return RecurrentBlock(C, width=options.expand * C, heads=options.heads, conv=options.conv, out_gain=gain)

    @property
    def receptive_field(self) -> int | None:
        """Without a recurrent block each block looks as far as its window."""
        options = self.config
        return options.layers * (options.window - 1) + 1 if options.attention_every == 1 else None
