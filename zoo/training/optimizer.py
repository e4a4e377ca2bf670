"""Optimizers and learning-rate schedules."""

import math

import torch
from torch import Tensor, nn

from zoo.errors import UsageError


class Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or SGD; weight decay for matrices, none for biases and norms.

    The kernels are those of torch.optim.AdamW(fused=True) and SGD(fused=True), called at once: torch.optim imports
    torch's compiler, which takes as long as torch itself.

    Args:
        kind: "adamw" or "sgd".

    Raises:
        UsageError: the model has no parameters.
    """

    def __init__(self, model: nn.Module, kind: str, *, weight_decay: float) -> None:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.parameters = sorted(trained, key=lambda parameter: parameter.dim() < 2)  # matrices first
        if not self.parameters:
            raise UsageError(f"{type(model).__name__} has no parameters to train.")
        self._kind, self._weight_decay = kind, weight_decay
        self._state: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """One update of the parameters that have a gradient, which is dropped."""
        groups: dict[tuple[bool, torch.dtype], list[Tensor]] = {}
        for parameter in self.parameters:
            if parameter.grad is not None:
                groups.setdefault((parameter.dim() >= 2, parameter.dtype), []).append(parameter)
        for (is_matrix, _), group in groups.items():
            (self._adamw if self._kind == "adamw" else self._sgd)(group, lr, self._weight_decay if is_matrix else 0.0)
        for parameter in self.parameters:
            parameter.grad = None

    def _adamw(self, group: list[Tensor], lr: float | Tensor, decay: float) -> None:
        for parameter in group:
            if parameter not in self._state:
                zeros = torch.zeros_like(_real(parameter))
                steps = torch.zeros((), device=parameter.device)
                self._state[parameter] = zeros, zeros.clone(), steps
        means, squares, counts = (list(part) for part in zip(*(self._state[p] for p in group), strict=True))
        torch._foreach_add_(counts, 1)
        torch._fused_adamw_(
            [_real(parameter) for parameter in group],
            [_real(parameter.grad) for parameter in group],
            means,
            squares,
            [],
            counts,
            lr=lr,
            beta1=0.9,
            beta2=0.99,
            weight_decay=decay,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def _sgd(self, group: list[Tensor], lr: float | Tensor, decay: float) -> None:
        torch._fused_sgd_(
            [_real(parameter) for parameter in group],
            [_real(parameter.grad) for parameter in group],
            [],
            weight_decay=decay,
            momentum=0.0,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
        )


def _real(tensor: Tensor | None) -> Tensor:
    """Complex numbers as pairs of real ones, which is all that the kernels know."""
    assert tensor is not None
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


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
