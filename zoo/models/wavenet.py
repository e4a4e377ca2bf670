"""The hierarchical WaveNet of the lecture: each level fuses n neighbours, until one vector holds the window.

After van den Oord et al. 2016, figure 3, by default without gates, residuals and skips: with n = 2 and N = 8, three
levels fuse two, four and eight tokens. The levels run in two ways that agree in evaluation mode. As a tree on each
window separately (the lecture):

    windows (B·T, N) -> embed (B·T, N, C) -> level (B·T, N/n, H) -> ... -> (B·T, 1, H) -> (B, T, V)

or sliding over the whole row, where level l is a convolution of dilation n^l and nothing is computed twice:

    (B, T) -> embed (B, 1+T, C) -> level (B, 1+T, H) -> ... -> (B, T, V)
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import (
    Activation,
    ActivationName,
    FlattenConsecutive,
    Norm,
    SlidingFlatten,
    has_shift,
    last_window,
    linear,
    make_norm,
    output_head,
    pad_start,
)
from zoo.layers.linear import HEAD_GAIN
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing
from zoo.tokens import BOUNDARY


class Level(nn.Module):
    """A linear layer, a norm and an activation on fused neighbours; the newest of them is added by a residual.

    Args:
        inputs: n·C.
        outputs: H.
        positions: number of positions of a window at this level.
        residual: add the newest neighbour, if C = H.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        norm: str,
        activation: Activation,
        positions: int,
        gain: float,
        residual: bool,
    ) -> None:
        super().__init__()
        self.activation, self.residual = activation, residual
        width = activation.inputs * outputs
        made = make_norm(norm, width, positions=positions)
        self.linear = linear(inputs, width, bias=not has_shift(made), gain=gain)
        self.norm = made

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, n·C) -> (B, T, H)."""
        made = self.activation(self.norm(self.linear(x)))
        return made + x[..., -made.shape[-1] :] if self.residual else made


class WaveNet(SequenceModel):
    """Hierarchical fusion of n neighbours per level."""

    class Config(ModelOptions):
        scales_with = "hidden"
        follows: ClassVar = {
            **dict.fromkeys(("depth", "levels", "layers"), "--context and n: with L levels, the context is n ** L"),
            "per_position": "norm: write norm=per-position",
        }

        embedding: int = Field(10, ge=1, description="channels of a token's embedding")
        hidden: int = Field(68, ge=1, description="channels of every level")
        n: int = Field(2, ge=2, description="neighbours that a level fuses; the context must be a power of n")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel before the output layer")
        tree: bool = Field(False, description="run window by window, as the lecture does, instead of sliding")
        norm: Norm = Field(
            "batch",
            description="normalisation of a level; per-position: the lecture's BatchNorm bug, with statistics for each "
            "position (needs tree=true)",
        )
        activation: ActivationName = Field("tanh", description="activation of a level")
        gate: bool = Field(False, description="multiply a level's activation with a sigmoid gate")
        residual: bool = Field(False, description="add the newest of a level's inputs to its output, from level 2 on")
        skips: bool = Field(False, description="the head sees the sum of all levels' outputs, not the last one's alone")
        gain: float = Field(1.0, gt=0, description="scale of the levels' initial weights")
        head_gain: float = Field(HEAD_GAIN, gt=0, description="scale of the head's initial weights")

        @model_validator(mode="after")
        def _positions_need_windows(self) -> "WaveNet.Config":
            if self.norm == "per-position" and not self.tree:
                raise ValueError("norm=per-position needs tree=true: a sliding row has no fixed positions")
            return self

    recipe = Recipe(optimizer="muon", lr=2.8e-2, weight_decay=0.015, warmup=0.21, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.1, targets=1_000_000),
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.11, warmup=0.05, targets=2_400_000),
        Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.05, targets=2_400_000),
    )
    paper = "van den Oord et al. 2016, WaveNet, figure 3, as built in the lecture makemore part 5"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        options = self.config
        C, H, n = options.embedding, options.hidden, options.n
        depth = levels_for(context, n)
        self.embedding = nn.Embedding(vocab_size, C)
        self.levels = nn.ModuleList(
            Level(
                n * (H if level else C),
                H,
                norm=options.norm,
                activation=Activation(options.activation, "sigmoid" if options.gate else None),
                positions=context // n ** (level + 1),
                gain=options.gain,
                residual=options.residual and level > 0,
            )
            for level in range(depth)
        )
        self.group = FlattenConsecutive(n)
        self.slides = nn.ModuleList(SlidingFlatten(n, dilation=n**level) for level in range(depth))
        self.drop = nn.Dropout(options.dropout)
        self.head = output_head(H, vocab_size, gain=options.head_gain)

    @property
    def receptive_field(self) -> int:
        return self.context

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        if self.config.tree:
            windows = pad_start(tokens, self.context - 1).unfold(1, self.context, 1)  # (B, T, N)
            return self._tree(windows.flatten(0, 1)).unflatten(0, tokens.shape)
        x, made = self.embedding(pad_start(tokens, 1)), []  # one boundary is enough: a level maps all of them alike
        for _, slide, level in self._stages():
            x = level(slide.replicate(x))
            made.append(x)
        return self.head(self.drop(self._shown(made)[:, 1:]))  # of (B, T, H)

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V); copies of a row's first token, the boundary, stand before it."""
        if self.config.tree:
            back = range(self.context - 1, -1, -1)
            return self._tree(torch.stack([packing.before(tokens, distance) for distance in back], dim=1))
        x, made = self.embedding(tokens), []
        for _, slide, level in self._stages():
            x = level(slide.packed(x, packing))
            made.append(x)
        return self.head(self.drop(self._shown(made)))  # of (M, H)

    def _shown(self, made: Sequence[Tensor]) -> Tensor:
        """Outputs (..., H) of all levels, lowest first -> (..., H) that the head sees."""
        return torch.stack(list(made)).sum(0) if self.config.skips else made[-1]

    def _stages(self) -> Iterator[tuple[str, SlidingFlatten, Level]]:
        """Yield the name of a level's ring in a state, its SlidingFlatten and the level, lowest first."""
        for index, (slide, level) in enumerate(zip(self.slides, self.levels, strict=True)):
            yield f"level{index}", slide, level  # type: ignore[misc]  # a ModuleList has no element type

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V), as a tree on one window."""
        return self._tree(last_window(tokens, self.context))

    def begin(self, batch_size: int) -> State:
        """A fresh state: a ring of each level's last inputs, at first those of boundary tokens, and their number.

        With norm=per-position the state is the tokens instead, because its statistics need whole windows.
        """
        if self.config.norm == "per-position":
            return super().begin(batch_size)
        state = {"position": torch.zeros(batch_size, dtype=torch.long)}
        x = self.embedding.weight[BOUNDARY].expand(batch_size, 1, -1)  # (B, 1, C)
        for name, slide, level in self._stages():
            state[name] = x.repeat(1, slide.reach, 1)
            x = level(x.repeat(1, 1, slide.n))
        return state

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        if self.config.norm == "per-position":
            return super().prefill(tokens, state)
        x, position, made = self.embedding(tokens), int(state["position"][0]), []
        for name, slide, level in self._stages():
            x = level(slide.stream(x, state[name], position))
            made.append(x[:, -1])
        return self.head(self._shown(made)), {**state, "position": state["position"] + tokens.shape[1]}

    def _tree(self, windows: Tensor) -> Tensor:
        """(B, N) -> (B, V), by fusing groups."""
        x, made = self.embedding(windows), []
        for level in self.levels:
            x = level(self.group(x))
            made.append(x[:, -1])
        return self.head(self.drop(self._shown(made)))  # of (B, H)


def levels_for(context: int, n: int) -> int:
    """Number of levels, each fusing n, that fuse `context` tokens into one.

    Raises:
        ValueError: the context is not n, n², n³, ...
    """
    levels = 1
    while n**levels < context:
        levels += 1
    if n**levels != context:
        below = f"{n ** (levels - 1)} or " if levels > 1 else ""
        raise ValueError(
            f"context {context} is no power of n={n}, the neighbours that a level fuses; "
            f"try a context of {below}{n**levels}, or another n"
        )
    return levels
