"""The decoder of `local-attention`, with the comparison's context as window of each layer."""

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
    """Decoder with rotary positions and local attention."""
    layers = LocalTransformer(
        num_tokens=None,  # else it learns absolute positions, unknown to a stream of the last tokens
        max_seq_len=None,
        dim=width,
        depth=LAYERS,
        heads=heads,
        dim_head=16,
        local_attn_window_size=context,
        num_residual_streams=1,
    )
    return nn.Sequential(nn.Embedding(vocab_size, width), layers, nn.LayerNorm(width), nn.Linear(width, vocab_size))
