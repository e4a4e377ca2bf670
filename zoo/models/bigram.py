"""Bigram: a table of logits, one row for each last token.

It models p(next | last) alone. With log counts as logits it is the maximum-likelihood bigram.

    (B, T) -> (B, T, V)
"""

from pydantic import BaseModel
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.models.interface import SequenceModel
from zoo.packing import Packing


class Bigram(SequenceModel):
    """A table of logits, one row for each last token."""

    recipe = Recipe(lr=5.9e-2, weight_decay=0.011, warmup=0.035, targets=1_000_000)
    paper = "Shannon 1948, A Mathematical Theory of Communication, section 3"

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)

    @property
    def receptive_field(self) -> int:
        return 1

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self.table(tokens)

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V)."""
        return self.table(tokens)
