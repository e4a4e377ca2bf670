"""Mamba: a state space model whose token decides what is written, read and forgotten (Gu and Dao 2023).

    h_t = exp(dt_t A) · h_{t-1} + dt_t B_t x_tᵀ,    y_t = C_tᵀ h_t + D · x_t

Every channel of x has a state of N numbers. The step size dt, B and C are made of x, which is the paper's selection
(section 3.2, algorithm 2): with a large step a channel forgets its past and takes the token, with a small one it
ignores the token. dt B is the simpler form of the authors' code for the paper's exact integral (equation 4). The mixer
holds the place of the MLP too (section 3.4):

    (B, T, C) -> x, z (B, T, E·C) -> x: ShortConv -> SiLU -> selective scan -> times SiLU(z) -> Linear
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import ShortConv, linear, selective_scan
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MixerModel, MixerOptions

SHORTEST, LONGEST = 1e-3, 1e-1
"""Range of the initial step sizes (section 3.6), uniform in their log as in the authors' code."""


class SelectiveStateSpace(Mixer):
    """A state of N numbers for each of E·C channels. Rates are -1, ..., -N at first (S4D-Real, section 3.6).

    Args:
        channels: C.
        state: N.
        conv: kernel of the short convolution.
        expand: E.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(self, channels: int, *, state: int, conv: int, expand: int, out_gain: float = 1.0) -> None:
        super().__init__()
        width, rank = expand * channels, math.ceil(channels / 16)
        self.sizes = rank, state, state
        self.inner = linear(channels, 2 * width, bias=False)
        self.conv = ShortConv(width, conv)
        self.select = linear(width, sum(self.sizes), bias=False)
        self.step = nn.Linear(rank, width)
        self.log_rate = nn.Parameter(
            torch.arange(1.0, state + 1).log().unsqueeze(1).repeat(1, 1, width)
        )  # no matrix to Muon
        self.skip = nn.Parameter(torch.ones(width))
        self.outer = linear(width, channels, bias=False, gain=out_gain)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        steps = torch.empty(width).uniform_(math.log(SHORTEST), math.log(LONGEST)).exp()
        self.step.bias.data = steps.expm1().log()  # softplus gives the steps back

    def begin(self, batch_size: int) -> State:
        """The inputs of the convolution (B, k - 1, E·C) and the states of the channels (B, N, E·C), zeros."""
        exact = torch.promote_types(self.log_rate.dtype, torch.float32)
        hidden = self.log_rate.new_zeros(batch_size, *self.log_rate.shape[1:], dtype=exact)
        return {"conv": self.conv.begin(batch_size), "hidden": hidden}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        x, z = self.inner(x).chunk(2, dim=-1)
        x, conv = self.conv.run(x, state["conv"])
        x = F.silu(x)
        step, B, C = self.select(x).split(self.sizes, dim=-1)
        dt = F.softplus(self.step(step))
        y, hidden = selective_scan(dt, x, -self.log_rate[0].exp(), B, C, state["hidden"])
        y = torch.addcmul(y, self.skip, x)
        return self.outer(y * F.silu(z)), {"conv": conv, "hidden": hidden}

    def parameter_groups(self) -> Mapping[str, Mapping[str, float]]:
        """No weight decay for the rates; `skip` has one axis, which has none anyway."""
        return {"log_rate": {"decay": 0.0}}


class Mamba(MixerModel):
    """Selective state space: channels that remember or forget as the token says, and no MLP."""

    class Config(MixerOptions):
        channels: int = Field(40, ge=1, description="channels of the residual stream")
        block: Literal["mlp", "none"] = Field("none", description="what follows a mixer: a norm and an MLP, or nothing")
        state: int = Field(8, ge=1, description="numbers that a channel remembers")
        conv: int = Field(4, ge=1, description="kernel of the short convolution of a mixer")
        expand: int = Field(2, ge=1, description="channels of a mixer, in multiples of channels")

    recipe = Recipe(lr=2e-2, weight_decay=0.034, warmup=0.085, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.1, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = "Gu and Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces"

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        return SelectiveStateSpace(
            options.channels,
            state=options.state,
            conv=options.conv,
            expand=options.expand,
            out_gain=options.out_gain,
        )
