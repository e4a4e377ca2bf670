"""The hierarchical WaveNet of the lecture: each level fuses n neighbours, until one vector holds the window.

After van den Oord et al. 2016, figure 3, without gates and skips: with n = 2 and N = 8, three levels fuse two, four
and eight tokens. The levels run in two ways that agree in evaluation mode. As a tree on each window separately (the
lecture):

    windows (B·T, N) -> embed (B·T, N, C) -> level (B·T, N/n, H) -> ... -> (B·T, 1, H) -> (B, T, V)

or sliding over the whole row, where level l is a convolution of dilation n^l and nothing is computed twice:

    (B, T) -> embed (B, 1+T, C) -> level (B, 1+T, H) -> ... -> (B, T, V)
"""

from collections.abc import Iterator

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import BatchNorm, FlattenConsecutive, SlidingFlatten, last_window, linear, output_head, pad_start
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing
from zoo.tokens import BOUNDARY


class Level(nn.Module):
    """Linear, BatchNorm and tanh on fused neighbours."""

    def __init__(self, inputs: int, outputs: int, *, positions: int | None) -> None:
        super().__init__()
        self.linear = linear(inputs, outputs, bias=False)
        self.norm = BatchNorm(outputs, per_position=positions)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, n·C) -> (B, T, H)."""
        return torch.tanh(self.norm(self.linear(x)))


class WaveNet(SequenceModel):
    """Hierarchical fusion of n neighbours per level."""

    class Config(ModelOptions):
        scales_with = "hidden"
        follows = dict.fromkeys(("depth", "levels", "layers"), "--context and n: with L levels, the context is n ** L")

        embedding: int = Field(10, ge=1, description="channels of a token's embedding")
        hidden: int = Field(68, ge=1, description="channels of every level")
        n: int = Field(2, ge=2, description="neighbours that a level fuses; the context must be a power of n")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel before the output layer")
        tree: bool = Field(False, description="run window by window, as the lecture does, instead of sliding")
        per_position: bool = Field(
            False, description="the lecture's BatchNorm bug: statistics for each position (needs tree=true)"
        )

        @model_validator(mode="after")
        def _positions_need_windows(self) -> "WaveNet.Config":
            if self.per_position and not self.tree:
                raise ValueError("per_position=true needs tree=true: a sliding row has no fixed positions")
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
        C, H, n = self.config.embedding, self.config.hidden, self.config.n
        depth = levels_for(context, n)
        self.embedding = nn.Embedding(vocab_size, C)
        self.levels = nn.ModuleList(
            Level(
                n * (H if level else C), H, positions=context // n ** (level + 1) if self.config.per_position else None
            )
            for level in range(depth)
        )
        self.group = FlattenConsecutive(n)
        self.slides = nn.ModuleList(SlidingFlatten(n, dilation=n**level) for level in range(depth))
        self.drop = nn.Dropout(self.config.dropout)
        self.head = output_head(H, vocab_size)

    @property
    def receptive_field(self) -> int:
        return self.context

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        if self.config.tree:
            windows = pad_start(tokens, self.context - 1).unfold(1, self.context, 1)  # (B, T, N)
            return self._tree(windows.flatten(0, 1)).unflatten(0, tokens.shape)
        x = self.embedding(pad_start(tokens, 1))  # one boundary is enough: a level maps all of them alike
        for _, slide, level in self._stages():
            x = level(slide.replicate(x))
        return self.head(self.drop(x[:, 1:]))  # of (B, T, H)

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V); copies of a row's first token, the boundary, stand before it."""
        if self.config.tree:
            back = range(self.context - 1, -1, -1)
            return self._tree(torch.stack([packing.before(tokens, distance) for distance in back], dim=1))
        x = self.embedding(tokens)
        for _, slide, level in self._stages():
            x = level(slide.packed(x, packing))
        return self.head(self.drop(x))  # of (M, H)

    def _stages(self) -> Iterator[tuple[str, SlidingFlatten, Level]]:
        """Yield the name of a level's ring in a state, its SlidingFlatten and the level, lowest first."""
        for index, (slide, level) in enumerate(zip(self.slides, self.levels, strict=True)):
            yield f"level{index}", slide, level  # type: ignore[misc]  # a ModuleList has no element type

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V), as a tree on one window."""
        return self._tree(last_window(tokens, self.context))

    def begin(self, batch_size: int) -> State:
        """A fresh state: a ring of each level's last inputs, at first those of boundary tokens, and their number.

        With `per_position` the state is the tokens instead, because its statistics need whole windows.
        """
        if self.config.per_position:
            return super().begin(batch_size)
        state = {"position": torch.zeros(batch_size, dtype=torch.long)}
        x = self.embedding.weight[BOUNDARY].expand(batch_size, 1, -1)  # (B, 1, C)
        for name, slide, level in self._stages():
            state[name] = x.repeat(1, slide.reach, 1)
            x = level(x.repeat(1, 1, slide.n))
        return state

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        if self.config.per_position:
            return super().prefill(tokens, state)
        x, position = self.embedding(tokens), int(state["position"][0])
        for name, slide, level in self._stages():
            x = level(slide.stream(x, state[name], position))
        return self.head(x[:, -1]), {**state, "position": state["position"] + tokens.shape[1]}

    def _tree(self, windows: Tensor) -> Tensor:
        """(B, N) -> (B, V), by fusing groups."""
        x = self.embedding(windows)
        for level in self.levels:
            x = level(self.group(x))
        return self.head(self.drop(x.squeeze(1)))  # of (B, H)


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
