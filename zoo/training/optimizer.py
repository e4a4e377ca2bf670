"""Optimizers and learning-rate schedules."""

import math

import torch
from torch import nn

from zoo.errors import UsageError


def make_optimizer(model: nn.Module, kind: str, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW (fused, Loshchilov & Hutter 2019) or SGD; weight decay for matrices, none for biases and norms.

    Raises:
        UsageError: the model has no parameters.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise UsageError(f"{type(model).__name__} has no parameters to train.")
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = not any(parameter.is_complex() for parameter in parameters)  # torch fuses real ones only
    if kind == "sgd":
        return torch.optim.SGD(groups, lr=lr, fused=fused)
    capturable = all(parameter.is_cuda for parameter in parameters)  # as part of a CUDA graph
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=fused, capturable=capturable)


def learning_rate(share: float, *, peak: float, schedule: str, warmup: float) -> float:
    """The rate where `share` (0 to 1) of the budget is spent: a linear rise over the share `warmup`, then the schedule.

    `cosine` falls to a hundredth of the peak, `constant` stays, `step` drops to a tenth after three quarters of
    the run (the lecture's way).
    """
    if share < warmup:
        return peak * share / warmup
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak if share < 0.75 else 0.1 * peak
    progress = (share - warmup) / (1 - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
