"""Stack the weights of K models of one architecture, and compute their losses with torch.func.vmap.

The stack is a matrix (K, P) with one model per row, so clipping and updates take a few operations for any number of
layers. The models' parameters become views of it (torch.func.stack_module_state would copy them), so each model is
evaluated as usual, one by one and without vmap.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from zoo.data.rows import Batch
from zoo.errors import UsageError
from zoo.models.auxiliary import keep_nothing
from zoo.models.interface import SequenceModel
from zoo.packing import Packing
from zoo.training.loss import Losses
from zoo.training.stacked.recurrent import compute_recurrent, is_recurrent
from zoo.training.step import training_losses


class Stack:
    """The weights and running statistics of K models, and their losses.

    Args:
        models: models of one architecture on one device. Their tensors are views of the stack until `part` is called.
        apart: names of parameters whose weights are the last columns.

    Attributes:
        flat: (K, P), all trained weights, tied ones once.
        shapes: name of a parameter -> its shape in one model, in the order of the columns.

    Raises:
        UsageError: there is nothing to train, or parameters are complex or of several dtypes.
    """

    def __init__(self, models: Sequence[SequenceModel], apart: Collection[str] = ()) -> None:
        self.models = models
        named = sorted(models[0].named_parameters(), key=lambda item: item[0] in apart)
        trained = {name: p for name, p in named if p.requires_grad}
        self.shapes = {name: p.shape for name, p in trained.items()}
        kinds = {p.dtype for p in trained.values()}
        if len(kinds) != 1 or any(kind.is_complex for kind in kinds):
            found = ", ".join(sorted(map(str, kinds))) or "none"
            raise UsageError(f"{type(models[0]).__name__}: a stack needs real parameters of one type; here: {found}.")
        self.flat = torch.stack(
            [torch.cat([model.get_parameter(name).detach().flatten() for name in trained]) for model in models]
        )
        sizes = [p.numel() for p in trained.values()]
        self._parameters = {
            f"model.{name}": part.view(len(models), *p.shape).detach().requires_grad_()
            for (name, p), part in zip(trained.items(), self.flat.split(sizes, dim=1), strict=True)
        }
        others = [name for name, _ in _tensors(models[0]) if name not in trained]
        self._buffers = {
            f"model.{name}": torch.stack([dict(_tensors(model))[name].detach() for model in models]) for name in others
        }
        for k, model in enumerate(models):
            for name, tensor in _tensors(model):
                tensor.data = (self._parameters | self._buffers)[f"model.{name}"].detach()[k]
        self._loss = _Loss(models[0])

    def losses(self, batch: Batch) -> Losses:
        """Return losses (K,) of tokens (K, ...), one batch per model; update running statistics as usual."""
        tokens, targets, packing = batch
        places = () if packing is None else (packing.position, packing.row)

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Tensor) -> tuple[Tensor, ...]:
            place = Packing(own[2], own[3], packing.shape, packing.lengths) if packing is not None else None
            losses = functional_call(self._loss, (parameters, buffers), (Batch(own[0], own[1], place),))
            return tuple(loss for loss in losses if loss is not None)  # vmap takes no None

        with _attention(self.flat.device), _BatchableForms(), keep_nothing(self.models[0]):
            each = vmap(one, randomness="different")
            return Losses(*each(self._parameters, self._buffers, tokens, targets, *places))

    def gradient(self, losses: Losses) -> Tensor:
        """(K,) losses -> (K, P) gradients, each of a total loss with respect to its own model."""
        gradients = torch.autograd.grad(losses.total.sum(), list(self._parameters.values()))
        return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)

    def part(self) -> None:
        """Give every model its own memory again."""
        for model in self.models:
            for _, tensor in _tensors(model):
                tensor.data = tensor.detach().clone()


class _Loss(nn.Module):
    """The losses of a model as a module, for functional_call."""

    def __init__(self, model: SequenceModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Losses:
        return training_losses(self.model, batch)


class _BatchableForms(TorchFunctionMode):
    """Function mode that computes layers in forms that vmap can batch, or batch well.

    Recurrent layers run step by step. Linear layers get (B·T, C) for (B, T, C): vmap would copy their weights for each
    of B rows.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_recurrent(func, args):
            return compute_recurrent(func, *args)
        if func is F.linear and args and args[0].dim() > 2:
            x, *rest = args
            return func(x.flatten(0, -2), *rest, **(kwargs or {})).unflatten(0, x.shape[:-1])
        return func(*args, **(kwargs or {}))


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return parameters and buffers, shared ones once."""
    return [*model.named_parameters(), *model.named_buffers()]


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """Use plain attention on a CPU: vmap has no batched form of the fused kernel and would run it model by model."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
