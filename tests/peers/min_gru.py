"""The language model of `minGRU-pytorch`."""

from typing import Annotated

from minGRU_pytorch.minLM import minLM
from pydantic import Field

from zoo import Recipe, adapt


@adapt(recipe=Recipe(lr=1e-2), scales_with="width", paper="Feng et al. 2024, Were RNNs All We Needed?")
def MinGRU(
    vocab_size: int,
    width: Annotated[int, Field(ge=1, description="channels between the blocks")] = 32,
    layers: Annotated[int, Field(ge=1, description="blocks of a recurrence and an MLP")] = 1,
) -> minLM:
    """Recurrent network whose gates see the token alone, with norms and MLPs between."""
    return minLM(num_tokens=vocab_size, dim=width, depth=layers, ff_mult=2, use_lstm=False)
