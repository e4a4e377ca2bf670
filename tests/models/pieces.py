"""Pieces of models, computed plainly on one vector, with the parameters of the module."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "relu": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + (-x).exp()),
}


def plain_norm(x: Tensor, norm: nn.Module) -> Tensor:
    """(C,) -> (C,), in evaluation mode."""
    if isinstance(norm, nn.Identity):
        return x
    if isinstance(norm, nn.RMSNorm):
        return x / ((x**2).sum() / len(x) + norm.eps) ** 0.5 * norm.weight
    if isinstance(norm, nn.LayerNorm):
        mean = x.sum() / len(x)
        return (x - mean) / (((x - mean) ** 2).sum() / len(x) + norm.eps) ** 0.5 * norm.weight + norm.bias
    return (x - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5 * norm.weight + norm.bias


def plain_unit(x: Tensor, options, *, gate: str = "sigmoid") -> Tensor:
    """(C,) or (2·C,) -> (C,): the activation of a model's options, times its gate."""
    if not options.gate:
        return PLAIN[options.activation](x)
    half = len(x) // 2
    return PLAIN[options.activation](x[:half]) * PLAIN[gate](x[half:])
