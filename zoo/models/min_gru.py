"""minGRU: a gated recurrence whose gates look at the input alone (Feng et al. 2024, section 3.1).

    h_t = (1 - z_t) · h_{t-1} + z_t · h~_t    with z_t = sigmoid(Linear(x_t)), h~_t = Linear(x_t)

The recurrence is linear in h, so all positions are read at once by a scan. candidate=positive passes h~_t through
g(x) = x + 0.5 for x >= 0, sigmoid(x) below, which keeps h positive (appendix B.3): the paper's form in log space, here
without logarithms.

    (B, T, C) -> Linear (B, T, 2D) -> gates, candidates -> scan (B, T, D) -> Linear (B, T, C)
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from zoo.config import Recipe
from zoo.layers import ShortConv, linear, scan
from zoo.layers.mixer import Mixer, State
from zoo.models.mixing import MixerModel, MixerOptions

Candidate = Literal["linear", "positive"]


class MinimalGRU(Mixer):
    """A hidden vector that moves by a share z_t towards a candidate.

    Args:
        channels: C.
        hidden: D, channels of the hidden vector.
        candidate: see above.
        conv: kernel of a short convolution of the input; 0: none.
        out_gain: scale of the output layer's initial weights.
    """

    def __init__(
        self, channels: int, *, hidden: int, candidate: Candidate, conv: int = 0, out_gain: float = 1.0
    ) -> None:
        super().__init__()
        self.candidate = candidate
        self.conv = ShortConv(channels, conv) if conv else None
        self.inner = linear(channels, 2 * hidden)
        self.outer = linear(hidden, channels, gain=out_gain)

    def begin(self, batch_size: int) -> State:
        """The hidden vector, zeros (B, D), and the inputs that the convolution still sees."""
        state = {"hidden": self.outer.weight.new_zeros(batch_size, self.outer.in_features)}
        return state if self.conv is None else state | {"inputs": self.conv.begin(batch_size)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        after: State = {}
        if self.conv is not None:
            x, after["inputs"] = self.conv.run(x, state["inputs"])
        gate, candidate = self.inner(x).chunk(2, dim=-1)
        if self.candidate == "positive":
            candidate = torch.where(candidate >= 0, candidate + 0.5, candidate.sigmoid())
        hidden = scan((-gate).sigmoid(), gate.sigmoid() * candidate, state["hidden"])
        return self.outer(hidden.to(x.dtype)), after | {"hidden": hidden[:, -1]}


class MinGRU(MixerModel):
    """Gated linear recurrence whose gates look at the input alone."""

    class Config(MixerOptions):
        expand: int = Field(1, ge=1, description="channels of the hidden vector, in multiples of channels")
        candidate: Candidate = Field("linear", description="candidates as they are, or made positive")
        conv: int = Field(0, ge=0, description="kernel of a convolution of the mixer's input; 0: none")

    recipe = Recipe(optimizer="muon", lr=2.6e-2, weight_decay=0.017, warmup=0.021, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2e-2, weight_decay=0.1, warmup=0.05, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper: ClassVar[str] = "Feng et al. 2024, Were RNNs All We Needed?"

    @classmethod
    def make_mixer(cls, options: Any, layer: int) -> Mixer:
        hidden = options.expand * options.channels
        return MinimalGRU(
            options.channels, hidden=hidden, candidate=options.candidate, conv=options.conv, out_gain=options.out_gain
        )
