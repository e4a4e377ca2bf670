"""Clipping by the norm of all gradients together (Pascanu et al. 2013, section 3.2), whatever their magnitude.

Squares overflow from 1e19 on in float32: torch.nn.utils.clip_grad_norm_ finds an infinite norm there, and makes finite
gradients zeros. Here the squares are then those of float64; on CUDA they always are, which avoids a host-device
synchronisation. Gradients in float64 may be as large as 1e154.
"""

import torch
from torch import Tensor


def clip(gradients: list[Tensor], limit: float) -> None:
    """Shortens all gradients together to the norm `limit`, in place: torch.nn.utils.clip_grad_norm_ for one device."""
    if not gradients:
        return
    on_cpu = gradients[0].device.type == "cpu"
    norm = _norm(gradients) if on_cpu else _precise_norm(gradients)
    if on_cpu and norm + 1e-6 <= limit:
        return
    if on_cpu and not norm.isfinite():
        norm = _precise_norm(gradients)
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, factor if on_cpu else factor.to(gradients[0].real.dtype))


def _norm(tensors: list[Tensor], dtype: torch.dtype | None = None) -> Tensor:
    """Of all numbers together, ()."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors, 2, dtype)))


def _precise_norm(tensors: list[Tensor]) -> Tensor:
    return _norm([as_real(tensor) for tensor in tensors], torch.float64)


def row_clip_factors(gradient: Tensor, limits: Tensor) -> Tensor:
    """(K, P), (K, 1) -> (K, 1): by what each row of gradients is to be multiplied so that it keeps its limit."""

    def factors(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True, dtype=dtype)
        return (limits / (norms + 1e-6)).clamp(max=1.0).to(gradient.dtype), norms.isfinite()

    if gradient.is_cuda:
        return factors(torch.float64)[0]
    usual, finite = factors(gradient.dtype)
    return usual if finite.all() else torch.where(finite, usual, factors(torch.float64)[0])


def as_real(tensor: Tensor | None) -> Tensor:
    """Complex numbers as pairs of real ones, which is all that the kernels know."""
    assert tensor is not None
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor.resolve_neg()
