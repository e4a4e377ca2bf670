"""A decoder with the positions of `rotary-embedding-torch`."""

from typing import Annotated

import torch.nn.functional as F
from pydantic import Field
from rotary_embedding_torch import RotaryEmbedding
from torch import Tensor, nn

from zoo import Recipe, adapt


class Block(nn.Module):
    """Attention and MLP, each with a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width (={width}) must be divisible by heads (={heads})")
        self.heads = heads
        self.rotary = RotaryEmbedding(width // heads)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.rotary.rotate_queries_or_keys(q), self.rotary.rotate_queries_or_keys(k)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.second(x))


@adapt(recipe=Recipe(lr=3e-3, weight_decay=0.1), scales_with="width", paper="Su et al. 2021, RoFormer")
def Rotary(
    vocab_size: int,
    width: Annotated[int, Field(ge=1, description="channels between the blocks")] = 32,
    layers: Annotated[int, Field(ge=1, description="number of blocks of attention and MLP")] = 1,
    heads: Annotated[int, Field(ge=1, description="heads of attention")] = 2,
) -> nn.Module:
    """Decoder with rotary positions."""
    blocks = [Block(width, heads) for _ in range(layers)]
    return nn.Sequential(nn.Embedding(vocab_size, width), *blocks, nn.LayerNorm(width), nn.Linear(width, vocab_size))
