"""Optimizers and learning-rate schedules."""

import math
from dataclasses import dataclass
from itertools import compress

import torch
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.training.clipping import as_real, clip
from zoo.training.model_state import materialize


class Optimizer:
    """AdamW (Loshchilov & Hutter 2019) or SGD; weight decay applies to matrices, not to biases and norms.

    It calls the kernels of torch.optim.AdamW(fused=True) and SGD(fused=True) directly: importing torch.optim imports
    torch's compiler, which takes as long as torch itself, and torch.optim sorts its parameters at every step.

    Args:
        kind: "adamw" or "sgd".
        clip: maximum global norm of the gradients; 0 for no limit.

    Raises:
        UsageError: the model has no parameters.
    """

    def __init__(self, model: nn.Module, kind: str, *, weight_decay: float, clip: float = 0.0) -> None:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.parameters = sorted(trained, key=lambda parameter: parameter.dim() < 2)  # matrices first
        if not self.parameters:
            raise UsageError(f"{type(model).__name__} has no parameters to train.")
        for parameter in self.parameters:
            _own_memory(parameter)
        alike: dict[tuple[bool, torch.dtype], list[Tensor]] = {}
        for parameter in self.parameters:
            alike.setdefault((parameter.dim() >= 2, parameter.dtype), []).append(parameter)
        self._groups = [
            _Group.of(group, weight_decay if matrix else 0.0, remembers=kind == "adamw")
            for (matrix, _), group in alike.items()
        ]
        self._update, self._clip = (_adamw if kind == "adamw" else _sgd), clip

    def tensors(self) -> dict[str, Tensor]:
        """Return the moments and step counts of all parameters by name, in the optimizer's own memory."""
        return {
            f"{number}.{kind}.{index}": tensor
            for number, group in enumerate(self._groups)
            for kind in ("means", "squares", "steps")
            for index, tensor in enumerate(getattr(group, kind))
        }

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """Clip the gradients, update the parameters that have one, and clear the gradients."""
        if self._clip:
            clip([parameter.grad for parameter in self.parameters if parameter.grad is not None], self._clip)
        for group in self._groups:
            if (with_gradient := group.with_gradient()).parameters:
                self._update(with_gradient, lr)
        for parameter in self.parameters:
            parameter.grad = None


@dataclass(frozen=True)
class _Group:
    """Parameters of one dtype and weight decay, with the moments and step counts of AdamW."""

    parameters: list[Tensor]
    means: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]
    weight_decay: float

    @classmethod
    def of(cls, parameters: list[Tensor], weight_decay: float, *, remembers: bool) -> "_Group":
        if not remembers:
            return cls(parameters, [], [], [], weight_decay)
        means, squares = ([torch.zeros_like(as_real(parameter.detach())) for parameter in parameters] for _ in range(2))
        steps = torch.zeros(len(parameters), device=parameters[0].device)
        return cls(parameters, means, squares, list(steps.unbind()), weight_decay)

    def with_gradient(self) -> "_Group":
        """Return the group without the parameters that lack a gradient."""
        has = [parameter.grad is not None for parameter in self.parameters]
        if all(has):
            return self
        parameters, means, squares, steps = (
            list(compress(part, has)) for part in (self.parameters, self.means, self.squares, self.steps)
        )
        return _Group(parameters, means, squares, steps, self.weight_decay)

    @property
    def values(self) -> list[Tensor]:
        return [as_real(parameter) for parameter in self.parameters]

    @property
    def gradients(self) -> list[Tensor]:
        return [as_real(parameter.grad) for parameter in self.parameters]


def _adamw(group: _Group, lr: float | Tensor) -> None:
    torch._foreach_add_(group.steps, 1)
    torch._fused_adamw_(
        group.values,
        group.gradients,
        group.means,
        group.squares,
        [],
        group.steps,
        lr=lr,
        beta1=0.9,
        beta2=0.99,
        weight_decay=group.weight_decay,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )


def _sgd(group: _Group, lr: float | Tensor) -> None:
    torch._fused_sgd_(
        group.values,
        group.gradients,
        [],
        weight_decay=group.weight_decay,
        momentum=0.0,
        lr=lr,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        is_first_step=False,
    )


def _own_memory(parameter: Tensor) -> None:
    """Give a conjugate, negative, expanded or strided view its own memory, because the kernels read memory in order."""
    if parameter.is_conj() or parameter.is_neg() or torch.empty_like(parameter).stride() != parameter.stride():
        parameter.data = materialize(parameter).clone()


DECAY = 0.2
"""Fraction of a `wsd` run during which the rate falls."""


def learning_rate(share: float, *, peak: float, schedule: str, warmup: float, total: float = 1.0) -> float:
    """Return the rate after `share` of `total`: a linear rise until `warmup`, then the schedule.

    `cosine` falls to a hundredth of the peak, `constant` stays there, `step` drops to a tenth after three quarters of
    the run, as in the lecture. `wsd`, warm-up-stable-decay (Hu et al. 2024, section 4), stays at the peak until the
    last fifth, then falls to 0 as 1 - sqrt(fraction of that fifth) (Hägele et al. 2024, section 4).
    """
    if share < warmup:
        return peak * share / warmup
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak if share < 0.75 * total else 0.1 * peak
    if schedule == "wsd":
        return peak * (1 - math.sqrt(max(0.0, share - stable_part(total)) / (DECAY * total)))
    progress = (share - warmup) / (total - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def stable_part(total: float) -> float:
    """Return the part of `total` of a `wsd` run before its rate falls."""
    return (1 - DECAY) * total
