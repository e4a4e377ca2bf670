"""Activation functions by name, and gates: one table for the options `activation` and `gate` of every model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

ActivationName: TypeAlias = Literal["none", "tanh", "sigmoid", "relu", "gelu", "silu"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}


@dataclass(frozen=True)
class Activation:
    """(..., C) -> (..., C); with a gate (..., 2·C) -> (..., C): function(first half) · gate(second half).

    tanh with the gate sigmoid is the unit of WaveNet (van den Oord et al. 2016, equation 2). With the gate none, silu
    and gelu are SwiGLU and GEGLU (Shazeer 2020, equation 6).

    Args:
        name: the function, of `ACTIVATIONS`.
        gate: the function of the gate, of `ACTIVATIONS`; None: no gate.

    Raises:
        ValueError: no function has one of these names.
    """

    name: str
    gate: str | None = None

    def __post_init__(self) -> None:
        for name in (self.name, self.gate or "none"):
            if name not in ACTIVATIONS:
                raise ValueError(f"an activation is one of {', '.join(ACTIVATIONS)}, not {name!r}")

    @property
    def inputs(self) -> int:
        """Number of channels that it takes for each that it gives."""
        return 1 if self.gate is None else 2

    def __call__(self, x: Tensor) -> Tensor:
        """(..., inputs·C) -> (..., C)."""
        function = ACTIVATIONS[self.name]
        if self.gate is None:
            return function(x)
        signal, gate = x.chunk(2, dim=-1)
        return function(signal) * ACTIVATIONS[self.gate](gate)
