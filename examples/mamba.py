"""Mamba of `transformers`, with fresh weights: a state space model beside the recurrent networks.

    python cli.py compare --models gru,./examples/mamba.py:Mamba --steps 300
    python cli.py train './examples/mamba.py:Mamba(width=48,state=4)'

Without its CUDA kernels the library computes one token after the other: a step takes many times as long as a GRU's.
"""

from typing import Annotated

from pydantic import Field

from zoo import Recipe, adapt

try:
    from transformers import MambaConfig, MambaForCausalLM
    from transformers.utils.logging import set_verbosity_error
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}: pip install 'sequence-zoo[examples]'") from missing

set_verbosity_error()  # silences the warning about missing kernels


@adapt(
    recipe=Recipe(lr=1e-2, weight_decay=0.1),
    scales_with="width",
    paper="Gu & Dao 2023, Mamba: Linear-Time Sequence Modeling with Selective State Spaces",
)
def Mamba(
    vocab_size: int,
    width: Annotated[int, Field(ge=1, description="channels between the blocks")] = 40,
    layers: Annotated[int, Field(ge=1, description="blocks of convolution and selective scan")] = 2,
    state: Annotated[int, Field(ge=1, description="state dimension of a channel")] = 8,
) -> MambaForCausalLM:
    """State space model whose transition depends on the current token."""
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "state_size": state}
    return MambaForCausalLM(MambaConfig(vocab_size=vocab_size, **sizes, use_cache=False))
