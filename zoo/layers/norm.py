"""Normalisation by name: one factory for the option `norm` of every model."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from torch import nn

from zoo.layers.batch_norm import BatchNorm

EPS = 1e-5
RowNorm: TypeAlias = Literal["none", "layer", "rms"]
"""Normalisations of every vector by itself, and none."""
Norm: TypeAlias = Literal["none", "batch", "per-position", "layer", "rms"]

NORMS: dict[str, Callable[[int, int | None], nn.Module]] = {
    "none": lambda channels, positions: nn.Identity(),
    "batch": lambda channels, positions: BatchNorm(channels, eps=EPS),
    "per-position": lambda channels, positions: BatchNorm(channels, per_position=positions, eps=EPS),
    "layer": lambda channels, positions: nn.LayerNorm(channels, eps=EPS),
    "rms": lambda channels, positions: nn.RMSNorm(channels, eps=EPS),
}


def make_norm(name: str, channels: int, *, positions: int | None = None) -> nn.Module:
    """(..., C) -> (..., C), normalised.

    Args:
        name: none; batch (Ioffe and Szegedy 2015); per-position, the lecture's first BatchNorm, with statistics for
            each of L positions; layer (Ba et al. 2016); rms (Zhang and Sennrich 2019).
        channels: C.
        positions: L, the length of the last-but-one axis; per-position needs it.

    Raises:
        ValueError: no normalisation has this name, or it lacks its positions.
    """
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {name!r}")
    if name == "per-position" and positions is None:
        raise ValueError("norm per-position needs a number of positions")
    return NORMS[name](channels, positions)


def has_shift(norm: nn.Module) -> bool:
    """Whether a normalisation adds a trained vector, so that a linear layer before it needs no bias."""
    return getattr(norm, "bias", None) is not None
