"""Transformer: a pre-norm decoder (Vaswani et al. 2017; pre-norm after Xiong et al. 2020).

Every position attends to itself and all earlier ones. Positions enter by rotation of queries and keys, by a learned
table, or not at all.

    (B, T) -> embed (B, T, C) -> layers: + attention(norm(x)), + MLP(norm(x)) -> norm -> (B, T, V)
"""

from functools import partial
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, Field, model_validator
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import (
    Activation,
    ActivationName,
    CausalSelfAttention,
    ResidualBlock,
    RowNorm,
    make_norm,
    output_head,
)
from zoo.layers.linear import HEAD_GAIN
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing

ROOM = 64
"""Positions of a fresh key-value cache, which doubles when it is full."""

LONGEST = 256
"""Positions of the longest chunk; longer rows are padded, which is as fast if they fill half of the longest."""


class Transformer(SequenceModel):
    """Causal self-attention over all earlier positions."""

    class Config(ModelOptions):
        scales_with = "channels"
        follows: ClassVar = {"learned_positions": "positions: write positions=learned, and places=64 for its table"}

        channels: int = Field(32, ge=1, description="channels of the residual stream")
        heads: int = Field(4, ge=1, description="attention heads; divides channels")
        layers: int = Field(2, ge=1, description="number of blocks of attention and MLP")
        mlp: int = Field(4, ge=1, description="width of a block's MLP, in multiples of channels")
        positions: Literal["rotary", "learned", "none"] = Field("rotary", description="how positions enter")
        places: int = Field(
            64, ge=1, description="entries of the table of learned positions; the last serves all after it"
        )
        tied: bool = Field(False, description="the output layer shares the embedding's weights")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel or attention weight")
        norm: RowNorm = Field("layer", description="normalisation of the input of attention, MLP and head")
        activation: ActivationName = Field("gelu", description="activation of the MLP")
        gate: bool = Field(False, description="multiply the activation with another projection (with silu: SwiGLU)")
        residual: bool = Field(True, description="add what attention and MLP make to their input")
        gain: float = Field(1.0, gt=0, description="scale of the blocks' initial weights")
        head_gain: float = Field(HEAD_GAIN, gt=0, description="scale of the head's initial weights")

        @model_validator(mode="after")
        def _options_fit(self) -> "Transformer.Config":
            if self.channels % self.heads:
                raise ValueError(f"channels (={self.channels}) must be divisible by heads (={self.heads})")
            if self.positions == "rotary" and self.channels // self.heads % 2:
                raise ValueError(
                    f"rotary positions need an even number of channels a head, "
                    f"not channels/heads = {self.channels // self.heads}"
                )
            if self.positions != "learned":
                self.require("positions=learned", of=["places"])
            return self

    recipe = Recipe(optimizer="muon", lr=2.3e-2, weight_decay=0.043, warmup=0.022, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=5e-3, weight_decay=0.16, warmup=0.05, targets=2_400_000),
    )
    paper = "Vaswani et al. 2017, Attention Is All You Need"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        options = self.config
        C = options.channels
        self.embedding = nn.Embedding(vocab_size, C)
        nn.init.normal_(self.embedding.weight, std=options.head_gain * C**-0.5 if options.tied else 1.0)
        self.positions = nn.Embedding(options.places, C) if options.positions == "learned" else None
        if self.positions is not None:
            nn.init.normal_(self.positions.weight, std=self.embedding.weight.std().item())
        self.drop = nn.Dropout(options.dropout)
        # so that depth does not grow the residual stream
        depth = (2 * options.layers) ** -0.5 if options.residual else 1.0
        self.blocks = nn.Sequential(*(self._block(depth) for _ in range(options.layers)))
        self.norm = make_norm(options.norm, C)
        self.head = output_head(C, vocab_size, gain=options.head_gain)
        if options.tied:
            self.head.weight = self.embedding.weight

    def _block(self, depth: float) -> ResidualBlock:
        options = self.config
        attention = CausalSelfAttention(
            options.channels,
            heads=options.heads,
            rotary=options.positions == "rotary",
            dropout=options.dropout,
            gain=options.gain,
            out_gain=options.gain * depth,
        )
        return ResidualBlock(
            options.channels,
            attention,
            mlp=options.mlp,
            norm=options.norm,
            activation=Activation(options.activation, "none" if options.gate else None),
            residual=options.residual,
            dropout=options.dropout,
            gain=options.gain,
            out_gain=options.gain * depth,
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        place = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.norm(self.blocks(self.drop(self._embed(tokens, place)))))

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V), in chunks that also see the previous one; rows longer than `LONGEST` are padded instead."""
        if packing.chunk > LONGEST:
            return super().packed(tokens, packing)
        position = packing.chunked(packing.position)
        x = self.drop(self._embed(packing.chunked(tokens), position))
        visible = torch.where(packing.visible, 0.0, -torch.inf)  # computed once for all layers
        for block in self.blocks:
            x = block.around(x, partial(block.mixer.chunked, position=position, visible=visible))  # type: ignore
        return self.head(self.norm(x.flatten(0, 1)[: len(tokens)]))

    def _embed(self, tokens: Tensor, place: Tensor) -> Tensor:
        """(B, T) tokens at positions (T,) or (B, T) of their rows -> (B, T, C)."""
        x = self.embedding(tokens)
        if self.positions is None:
            return x
        return x + self.positions(place.clamp(max=self.positions.num_embeddings - 1))

    def begin(self, batch_size: int) -> State:
        """A fresh state: an empty key-value cache (B, layers, heads, room, C/heads), and its number of positions."""
        layers, heads, C = self.config.layers, self.config.heads, self.config.channels
        room = self.embedding.weight.new_zeros(batch_size, layers, heads, ROOM, C // heads)
        return {"keys": room, "values": room.clone(), "position": torch.zeros(batch_size, dtype=torch.long)}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        position, T = int(state["position"][0]), tokens.shape[1]
        keys, values = (with_room(state[name], position + T) for name in ("keys", "values"))
        x = self._embed(tokens, torch.arange(position, position + T, device=tokens.device))
        for layer, block in enumerate(self.blocks):
            cache = {"keys": keys[:, layer], "values": values[:, layer]}
            x = block.around(x, partial(block.mixer.stream, **cache, position=position))  # type: ignore
        return self.head(self.norm(x[:, -1])), {"keys": keys, "values": values, "position": state["position"] + T}


def with_room(cache: Tensor, length: int) -> Tensor:
    """(..., S, D) -> (..., S', D) with S' >= `length`; a cache that grows at least doubles."""
    missing = length - cache.shape[-2]
    return cache if missing <= 0 else F.pad(cache, (0, 0, 0, max(missing, cache.shape[-2])))
