"""Update the parameters of a model by an optimizer: clip the gradients, make its step, clear them."""

import torch
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.training.clipping import as_real, clip
from zoo.training.model_state import materialize
from zoo.training.optimizers.find import find_optimizer
from zoo.training.optimizers.groups import parameter_rules
from zoo.training.optimizers.hidden import hidden_matrices
from zoo.training.optimizers.interface import Block


class Update:
    """Clip the gradients of a model and update its parameters.

    Args:
        optimizer: the optimizer as written, "adamw" or "muon(momentum=0.9)".
        weight_decay: of matrices, unless the model's `parameter_groups` say otherwise.
        clip: maximum global norm of the gradients; 0 for no limit.

    Raises:
        RegistryError, UsageError: the model has no parameters, or the optimizer is unknown.
    """

    def __init__(self, model: nn.Module, optimizer: str, *, weight_decay: float, clip: float = 0.0) -> None:
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        if not trained:
            raise UsageError(f"{type(model).__name__} has no parameters to train.")
        named = sorted(trained.items(), key=lambda item: item[1].dim() < 2)  # matrices first
        rules, hidden = parameter_rules(model), hidden_matrices(model, getattr(model, "vocab_size", None))
        for parameter in trained.values():
            _own_memory(parameter)
        self.parameters = [parameter for _, parameter in named]
        self.found = find_optimizer(optimizer)
        self.optimizer = self.found.make(
            [
                Block(name, parameter, weight_decay * rules[name].decay, rules[name].rate, name in hidden)
                for name, parameter in named
            ]
        )
        self._clip = clip

    def tensors(self) -> dict[str, Tensor]:
        """Return all that the optimizer remembers by name, in its own memory."""
        return self.optimizer.state

    @torch.no_grad()
    def step(self, lr: float | Tensor) -> None:
        """Clip the gradients, update the parameters that have one, and clear the gradients."""
        if self._clip:
            clip([parameter.grad for parameter in self.parameters if parameter.grad is not None], self._clip)
        gradients = [p.grad if p.grad is None else as_real(p.grad) for p in self.parameters]
        with self.found.blamed("in a step"):
            self.optimizer.step(gradients, lr)
        for parameter in self.parameters:
            parameter.grad = None


def _own_memory(parameter: Tensor) -> None:
    """Give a conjugate, negative, expanded or strided view its own memory, because the kernels read memory in order."""
    if parameter.is_conj() or parameter.is_neg() or torch.empty_like(parameter).stride() != parameter.stride():
        parameter.data = materialize(parameter).clone()
