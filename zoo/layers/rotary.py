"""Rotary position embedding (Su et al. 2021, RoFormer, section 3.2.2)."""

import torch
from torch import Tensor


def rotate(x: Tensor, position: Tensor, *, base: float = 10_000.0) -> Tensor:
    """(..., D) -> (..., D): rotates pair (i, i + D/2) of a vector by the angle position·base^(-2i/D).

    The dot product of two rotated vectors depends on their positions only by the distance between them. Positions need
    no table and have no limit.

    Args:
        position: position of each vector in its row; broadcasts over all axes of `x` except the last.
        base: base of the angles' geometric progression.

    Raises:
        ValueError: D is odd.
    """
    D = x.shape[-1]
    if D % 2:
        raise ValueError(f"rotary positions need an even number of channels a head, not {D}")
    dtype = torch.promote_types(x.dtype, torch.float32)  # angles of far positions need more than bfloat16
    frequency = base ** (-torch.arange(0, D, 2, device=x.device, dtype=dtype) / D)
    angle = position.to(dtype).unsqueeze(-1) * frequency  # (..., T, D/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
