"""MLP over a window: embed the last N tokens, concatenate, one hidden layer (Bengio et al. 2003).

The flat network from which the lecture starts. It fuses the whole window in one step; the hierarchical WaveNet fuses it
level by level.

    (B, T) -> embed (B, T, C) -> fuse N (B, T, N·C) -> Linear, BatchNorm, tanh (B, T, H) -> (B, T, V)
"""

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import BatchNorm, FlattenConsecutive, last_window, linear, output_head, pad_start
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.packing import Packing


class MLP(SequenceModel):
    """Embed N tokens, FlattenConsecutive(N), Linear, BatchNorm, tanh, Linear."""

    class Config(ModelOptions):
        scales_with = "hidden"

        embedding: int = Field(10, ge=1, description="channels of a token's embedding")
        hidden: int = Field(200, ge=1, description="channels of the hidden layer")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel before the output layer")

    recipe = Recipe(optimizer="muon", lr=3.1e-2, weight_decay=0.018, warmup=0.12, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000),
        Recipe(optimizer="muon", lr=4e-3, weight_decay=0.066, warmup=0.05, targets=2_400_000),
        Recipe(lr=5e-3, weight_decay=0.16, warmup=0.05, targets=2_400_000),
    )
    paper = "Bengio et al. 2003, A Neural Probabilistic Language Model"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        C, H = self.config.embedding, self.config.hidden
        self.embedding = nn.Embedding(vocab_size, C)
        self.flatten = FlattenConsecutive(context)
        self.hidden = linear(context * C, H, bias=False)
        self.norm = BatchNorm(H)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = output_head(H, vocab_size)

    @property
    def receptive_field(self) -> int:
        return self.context

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self._fuse(pad_start(tokens, self.context - 1).unfold(1, self.context, 1))

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V), from M windows; copies of a row's first token, the boundary, stand before it."""
        back = range(self.context - 1, -1, -1)
        return self._fuse(torch.stack([packing.before(tokens, distance) for distance in back], dim=1))

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V), from one window."""
        return self._fuse(last_window(tokens, self.context))

    def _fuse(self, windows: Tensor) -> Tensor:
        """(..., N) -> (..., V)."""
        x = self.flatten(self.embedding(windows)).squeeze(-2)  # (..., N·C)
        return self.head(self.drop(torch.tanh(self.norm(self.hidden(x)))))
