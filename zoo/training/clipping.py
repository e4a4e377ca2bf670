"""Clip gradients by their global norm (Pascanu et al. 2013, section 3.2), without overflow for large gradients.

In float32, squares overflow above 1e19: torch.nn.utils.clip_grad_norm_ then finds an infinite norm and turns finite
gradients into zeros. This module then computes squares in float64; on CUDA always, which avoids a host-device
synchronisation. float64 gradients may be as large as 1e154.
"""

import torch
from torch import Tensor


def clip(gradients: list[Tensor], limit: float) -> None:
    """Scale all gradients in place so that their global norm is at most `limit`; all must be on one device."""
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
    """Return the norm () over all elements of all tensors."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors, 2, dtype)))


def _precise_norm(tensors: list[Tensor]) -> Tensor:
    return _norm([as_real(tensor) for tensor in tensors], torch.float64)


def row_clip_factors(gradient: Tensor, limits: Tensor) -> Tensor:
    """(K, P) gradients, (K, 1) limits -> (K, 1) factors that scale each row to a norm of at most its limit."""

    def factors(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True, dtype=dtype)
        return (limits / (norms + 1e-6)).clamp(max=1.0).to(gradient.dtype), norms.isfinite()

    if gradient.is_cuda:
        return factors(torch.float64)[0]
    usual, finite = factors(gradient.dtype)
    return usual if finite.all() else torch.where(finite, usual, factors(torch.float64)[0])


def as_real(tensor: Tensor | None) -> Tensor:
    """View a complex tensor as pairs of real numbers, because the kernels are real; resolve lazy views."""
    assert tensor is not None
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor.resolve_neg()
