"""Causal bag of words: the mean of the embeddings up to each position, then an MLP.

The mean says which tokens occurred and how often, but not in which order. The MLP also gets the embedding of the
current token, so that the model is at least a bigram.

    (B, T) -> embed (B, T, C) -> running mean (B, T, C) -> MLP -> (B, T, V)
"""

import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.layers import linear, output_head
from zoo.models.interface import ModelOptions, SequenceModel, State
from zoo.packing import Packing


class BagOfWords(SequenceModel):
    """Mean of the embeddings up to each position, then an MLP."""

    class Config(ModelOptions):
        scales_with = "hidden"

        embedding: int = Field(64, ge=1, description="channels of a token's embedding")
        hidden: int = Field(136, ge=1, description="channels of the hidden layer")
        dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping a channel before the output layer")

    recipe = Recipe(optimizer="muon", lr=4.3e-2, weight_decay=0.021, warmup=0.29, targets=1_000_000)
    other_recipes = (
        Recipe(lr=2.1e-2, weight_decay=0.055, warmup=0.13, targets=1_000_000),
        Recipe(optimizer="muon", lr=1e-2, weight_decay=0.05, warmup=0.05, targets=2_400_000),
        Recipe(lr=1e-2, weight_decay=0.053, warmup=0.05, targets=2_400_000),
    )
    paper = "the causal form of the bag-of-words model in karpathy/makemore"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        C, H = self.config.embedding, self.config.hidden
        self.embedding = nn.Embedding(vocab_size, C)
        self.hidden = linear(2 * C, H)
        self.drop = nn.Dropout(self.config.dropout)
        self.head = output_head(H, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.embedding(tokens)
        count = torch.arange(1, tokens.shape[1] + 1, device=x.device)
        return self._read(x, x.cumsum(dim=1), count.unsqueeze(-1))

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V)."""
        x = self.embedding(tokens)
        total = packing.pack(packing.pad(x).cumsum(dim=1))
        return self._read(x, total, 1 + packing.position.unsqueeze(-1))

    def _read(self, x: Tensor, total: Tensor, count: Tensor) -> Tensor:
        """(..., C), the sum (..., C) of `count` (..., 1) embeddings -> (..., V)."""
        return self.head(self.drop(torch.relu(self.hidden(torch.cat([total / count, x], dim=-1)))))

    @property
    def bounded_state(self) -> bool:
        return True

    def begin(self, batch_size: int) -> State:
        """A fresh state: running sum of embeddings (B, C) and their number (B, 1)."""
        weight = self.embedding.weight
        count = torch.zeros(batch_size, 1, dtype=torch.long, device=weight.device)
        return {"sum": weight.new_zeros(batch_size, weight.shape[1]), "count": count}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state."""
        x = self.embedding(tokens)
        state = {"sum": state["sum"] + x.sum(dim=1), "count": state["count"] + tokens.shape[1]}
        return self._read(x[:, -1], state["sum"], state["count"]), state
