"""Recurrent networks: RNN (Elman 1990), GRU (Cho et al. 2014), LSTM (Hochreiter & Schmidhuber 1997).

A hidden vector carries all of the past. The cells are torch's own fused ones. `weight_dropout` is DropConnect on the
recurrent matrices (Merity, Keskar & Socher 2018): one mask a batch, so the fused cells stay as fast as they are.

    (B, T) -> embed (B, T, C) -> layers of cells (B, T, H) -> (B, T, V)
"""

from collections.abc import Callable
from typing import ClassVar

import torch.nn.functional as F
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.func import functional_call

from zoo.config import Recipe
from zoo.layers import output_head
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing


class Recurrent(SequenceModel):
    """Base of the three networks; a subclass names its cell."""

    class Config(ModelOptions):
        scales_with = "hidden"

        embedding: int = Field(24, ge=1, description="channels of a token's embedding")
        hidden: int = Field(64, ge=1, description="channels of the hidden state")
        layers: int = Field(1, ge=1, description="number of layers")
        dropout: float = Field(
            0.0, ge=0, lt=1, description="probability of dropping a channel of the output of a layer"
        )
        weight_dropout: float = Field(
            0.0,
            ge=0,
            lt=1,
            description="probability of dropping a weight between hidden states, one mask a batch",
        )

    cell: ClassVar[Callable[..., nn.RNNBase]]
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        C, H, layers = self.config.embedding, self.config.hidden, self.config.layers
        between = self.config.dropout if layers > 1 else 0.0  # torch drops between layers, not after the last
        self.embedding = nn.Embedding(vocab_size, C)
        self.cells = type(self).cell(C, H, num_layers=layers, batch_first=True, dropout=between)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = output_head(H, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self.head(self.drop(self._read(self.embedding(tokens))))

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V); the cells run on padded rows, which is faster in torch than on packed ones."""
        hidden = self._read(packing.pad(self.embedding(tokens)))
        return self.head(self.drop(packing.pack(hidden)))

    def _read(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, H)."""
        p = self.config.weight_dropout
        if not (self.training and p):
            return self.cells(x)[0]
        matrices = [f"weight_hh_l{layer}" for layer in range(self.config.layers)]
        dropped = {name: F.dropout(getattr(self.cells, name), p) for name in matrices}
        return functional_call(self.cells, dropped, (x,))[0]

    @property
    def bounded_state(self) -> bool:
        return True

    def begin(self, batch_size: int) -> State:
        """A fresh state: hidden vectors (B, layers, H), and an LSTM's cell states of the same shape."""
        names = ("hidden", "cell") if isinstance(self.cells, nn.LSTM) else ("hidden",)
        size = batch_size, self.config.layers, self.config.hidden
        return {name: self.embedding.weight.new_zeros(size) for name in names}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        before = [tensor.transpose(0, 1).contiguous() for tensor in state.values()]  # torch puts the layers first
        hidden, after = self.cells(self.embedding(tokens), tuple(before) if len(before) > 1 else before[0])
        vectors = after if len(before) > 1 else (after,)
        state = {name: vector.transpose(0, 1) for name, vector in zip(state, vectors, strict=True)}
        return self.head(hidden[:, -1]), state


class RNN(Recurrent):
    """Elman's recurrent network: h' = tanh(W x + U h)."""

    class Config(Recurrent.Config):
        hidden: int = Field(128, ge=1, description="channels of the hidden state")

    recipe = Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=5e-3, weight_decay=0.053, warmup=0.05, targets=2_400_000),
    )
    paper = "Elman 1990, Finding Structure in Time"
    cell = nn.RNN


class GRU(Recurrent):
    """Gated recurrent unit: an update gate decides how much of the past stays."""

    class Config(Recurrent.Config):
        hidden: int = Field(72, ge=1, description="channels of the hidden state")

    recipe = Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=2e-2, weight_decay=0.1, warmup=0.05, targets=2_400_000),
        Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.05, targets=2_400_000),
    )
    paper = "Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder"
    cell = nn.GRU


class LSTM(Recurrent):
    """Long short-term memory: a cell state that gates write to, keep and read."""

    recipe = Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000)
    other_recipes = (
        Recipe(optimizer="muon", lr=8.3e-3, weight_decay=0.074, warmup=0.27, targets=1_000_000),
        Recipe(optimizer="muon", lr=2e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1.6e-2, weight_decay=0.093, warmup=0.05, targets=2_400_000),
    )
    paper = "Hochreiter & Schmidhuber 1997, Long Short-Term Memory"
    cell = nn.LSTM
