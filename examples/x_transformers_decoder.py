"""A decoder of `x-transformers`, beside the zoo's own.

    python cli.py compare --models transformer,./examples/x_transformers_decoder.py:Decoder
    python cli.py train './examples/x_transformers_decoder.py:Decoder(width=48,heads=4)'

The library has many more options: make those worth comparing parameters of the function.
"""

from typing import Annotated

from pydantic import Field

from zoo import Recipe, adapt

try:
    import x_transformers
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}: pip install 'sequence-zoo[examples]'") from missing


@adapt(recipe=Recipe(lr=1e-2, weight_decay=0.1), scales_with="width", paper="github.com/lucidrains/x-transformers")
def Decoder(
    vocab_size: int,
    width: Annotated[int, Field(ge=1, description="channels between the blocks")] = 32,
    layers: Annotated[int, Field(ge=1, description="number of blocks of attention and MLP")] = 2,
    heads: Annotated[int, Field(ge=1, description="heads of attention, 32 channels each")] = 2,
) -> x_transformers.TransformerWrapper:
    """Decoder with rotary positions."""
    decoder = x_transformers.Decoder(
        dim=width, depth=layers, heads=heads, attn_dim_head=32, attn_flash=True, rotary_pos_emb=True, rotary_emb_dim=32
    )
    return x_transformers.TransformerWrapper(num_tokens=vocab_size, max_seq_len=1024, attn_layers=decoder)
