"""Rotary position embedding (Su et al. 2021, RoFormer, section 3.2.2)."""

import torch
from torch import Tensor


def rotate(x: Tensor, *, start: int = 0, base: float = 10_000.0) -> Tensor:
    """(..., T, D) -> (..., T, D): pair (i, i + D/2) of position t is turned by the angle (start + t)·base^(-2i/D).

    The dot product of two rotated vectors depends on their distance alone, so positions need no table and no limit.

    Raises:
        ValueError: D is odd.
    """
    D = x.shape[-1]
    if D % 2:
        raise ValueError(f"rotary positions need an even number of channels a head, not {D}")
    dtype = torch.promote_types(x.dtype, torch.float32)  # angles of far positions need more than bfloat16
    frequency = base ** (-torch.arange(0, D, 2, device=x.device, dtype=dtype) / D)
    position = torch.arange(start, start + x.shape[-2], device=x.device, dtype=dtype)
    angle = torch.outer(position, frequency)  # (T, D/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)
