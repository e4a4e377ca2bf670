"""Five models of `transformers` with fresh weights, a short function each."""

from typing import Annotated, Any

from pydantic import Field
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Mamba2Config,
    Mamba2ForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
    xLSTMConfig,
    xLSTMForCausalLM,
)
from transformers.utils.logging import set_verbosity_error

from zoo import Recipe, adapt

set_verbosity_error()  # silences warnings about missing kernels

NO_MARKERS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
SMALL = Recipe(lr=3e-3, weight_decay=0.1)
Layers = Annotated[int, Field(ge=1, description="blocks")]


@adapt(recipe=SMALL, scales_with="width", paper="Touvron et al. 2023, LLaMA")
def Llama(vocab_size: int, width: int = 32, layers: Layers = 1, heads: int = 2) -> LlamaForCausalLM:
    """Decoder with rotary positions and a gated MLP."""
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": layers}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=vocab_size, num_attention_heads=heads, **sizes, use_cache=False, **NO_MARKERS)
    )


@adapt(recipe=SMALL, scales_with="width", paper="Black et al. 2022, GPT-NeoX-20B")
def GPTNeoX(vocab_size: int, width: int = 32, layers: Layers = 1, heads: int = 2) -> GPTNeoXForCausalLM:
    """Decoder with rotary positions on a quarter of the channels, attention and MLP in parallel."""
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(vocab_size=vocab_size, num_attention_heads=heads, **sizes, use_cache=False, **NO_MARKERS)
    )


@adapt(recipe=SMALL, scales_with="width", paper="Dao & Gu 2024, Transformers are SSMs")
def Mamba2(vocab_size: int, width: int = 32, layers: Layers = 1, heads: int = 4, state: int = 8) -> Mamba2ForCausalLM:
    """State space model with one decay per head."""
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_heads": heads, "state_size": state}
    return Mamba2ForCausalLM(
        Mamba2Config(
            vocab_size=vocab_size, head_dim=2 * width // heads, n_groups=1, chunk_size=32, **sizes, use_cache=False
        )
    )


@adapt(recipe=SMALL, scales_with="width", paper="Peng et al. 2023, RWKV: Reinventing RNNs for the Transformer Era")
def RWKV(vocab_size: int, width: int = 32, layers: int = 2) -> RwkvForCausalLM:
    """Recurrent network that trains as a transformer, version 4."""
    return RwkvForCausalLM(
        RwkvConfig(
            vocab_size=vocab_size,
            hidden_size=width,
            num_hidden_layers=layers,
            rescale_every=0,  # else evaluation changes weights of blocks from the sixth on
            use_cache=False,
            **NO_MARKERS,
        )
    )


@adapt(recipe=SMALL, scales_with="width", paper="Beck et al. 2024, xLSTM: Extended Long Short-Term Memory")
def XLSTM(vocab_size: int, width: int = 32, layers: Layers = 1, heads: int = 2) -> xLSTMForCausalLM:
    """Matrix memories with exponential gates."""
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_blocks": layers, "num_heads": heads}
    return xLSTMForCausalLM(xLSTMConfig(vocab_size=vocab_size, chunk_size=16, **sizes, use_cache=False, **NO_MARKERS))
