"""GPT-2 of `transformers`, with fresh weights: a model made by a function that returns a module.

    python cli.py compare --models gru,./examples/gpt2.py:GPT2
    python cli.py train './examples/gpt2.py:GPT2(width=48,layers=3)'

The parameters of the function, beside the size of the vocabulary, are the model's options.
"""

from typing import Annotated

from pydantic import Field

from zoo import Recipe, adapt

try:
    from transformers import GPT2Config, GPT2LMHeadModel
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}: pip install 'sequence-zoo[examples]'") from missing


@adapt(
    recipe=Recipe(lr=1e-2, weight_decay=0.1),
    scales_with="width",
    paper="Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
)
def GPT2(
    vocab_size: int,
    width: Annotated[int, Field(ge=1, description="channels, divisible by heads")] = 32,
    layers: Annotated[int, Field(ge=1, description="number of blocks of attention and MLP")] = 2,
    heads: Annotated[int, Field(ge=1, description="heads of attention")] = 4,
    positions: Annotated[int, Field(ge=1, description="tokens that a row may have")] = 1024,
) -> GPT2LMHeadModel:
    """Decoder with learned positions."""
    sizes = {"n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": positions}
    no_dropout = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    no_markers = {"bos_token_id": None, "eos_token_id": None}  # the default, 50256, lies beyond a small vocabulary
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocab_size, use_cache=False, **sizes, **no_dropout, **no_markers))
