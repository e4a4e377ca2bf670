"""The decoder of `local-attention`: in each layer a token sees as many tokens back as the comparison's context."""

from typing import Annotated

from local_attention import LocalTransformer
from pydantic import Field
from torch import nn

from zoo import Recipe, adapt

LAYERS = 2


@adapt(
    recipe=Recipe(lr=3e-3, weight_decay=0.1),
    scales_with="width",
    receptive_field=lambda context: 1 + LAYERS * context,
    paper="github.com/lucidrains/local-attention",
)
def Local(
    vocab_size: int,
    context: int,
    width: Annotated[int, Field(ge=1, description="channels between the blocks")] = 32,
    heads: Annotated[int, Field(ge=1, description="heads of attention, 16 channels each")] = 2,
) -> nn.Module:
    """Decoder with rotary positions whose attention is local."""
    layers = LocalTransformer(
        num_tokens=None,  # else it learns absolute positions, which a stream of the last tokens does not know
        max_seq_len=None,
        dim=width,
        depth=LAYERS,
        heads=heads,
        dim_head=16,
        local_attn_window_size=context,
        num_residual_streams=1,
    )
    return nn.Sequential(nn.Embedding(vocab_size, width), layers, nn.LayerNorm(width), nn.Linear(width, vocab_size))
