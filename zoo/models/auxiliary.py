"""Read the auxiliary loss of a model after a forward pass, and remove from the model what that pass left on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch._C._functorch import is_functorch_wrapped_tensor

from zoo.errors import StrangerError
from zoo.models.interface import SequenceModel

OWN = frozenset(vars(nn.Module())) - {"_buffers"}
"""Attributes of every module in which a forward pass puts nothing."""
WANTED = "return a scalar, a real tensor of shape () such as `losses.sum()`, or None."
DEEPEST = 4
"""Maximum depth of nested containers in which a tensor is found."""


class AuxiliaryLossError(StrangerError):
    """What `auxiliary_loss` returns is no loss; `reason` says why and what to do, as the rest of a sentence."""

    def __init__(self, model: SequenceModel, reason: str) -> None:
        super().__init__(f"Model '{type(model).__name__}' {reason}")
        self.reason = reason


def adds_loss(model: SequenceModel) -> bool:
    """Whether the class of a model defines `auxiliary_loss`."""
    return type(model).auxiliary_loss is not SequenceModel.auxiliary_loss


def read_auxiliary_loss(model: SequenceModel) -> Tensor | None:
    """Return the auxiliary loss () of the forward pass before, with its graph.

    None if the model adds none, or is in evaluation mode, in which it need not keep anything for it.

    Raises:
        AuxiliaryLossError: it is not a real scalar tensor.
    """
    if not (model.training and adds_loss(model)):
        return None
    loss: object = model.auxiliary_loss()
    if loss is None:
        return None
    if not isinstance(loss, Tensor):
        raise AuxiliaryLossError(model, f"gives a {type(loss).__name__} as its auxiliary loss: {WANTED}")
    if loss.shape != () or not loss.is_floating_point():
        what = f"{str(loss.dtype).removeprefix('torch.')} of shape {tuple(loss.shape)}"
        raise AuxiliaryLossError(model, f"gives an auxiliary loss that is {what}: {WANTED}")
    return loss


@contextmanager
def keep_nothing(model: SequenceModel) -> Iterator[None]:
    """Undo what a training step leaves on a model: tensors with a graph, and those that vmap has wrapped.

    They would keep the graph and its activations alive between steps. Attributes of modules, buffers, and the dicts and
    lists among the attributes get back what they had before; tensors without a graph stay. A model without an auxiliary
    loss is not looked at.
    """
    if not adds_loss(model):
        yield
        return
    before = [(place, place.copy()) for module in model.modules() for place in _places(module)]
    try:
        yield
    finally:
        for place, content in before:
            _restore(place, content)


def _places(module: nn.Module) -> Iterator[Any]:
    """Yield the dicts and lists in which a forward pass can put tensors: attributes, buffers, containers."""
    yield vars(module)
    for name, value in vars(module).items():
        if isinstance(value, dict | list) and name not in OWN:
            yield value


def _restore(place: Any, content: Any) -> None:
    """Give a dict or list its earlier content where a tensor with a graph is now: a dict by entry, a list whole."""
    if isinstance(place, list):
        if _has_graph(place):
            place[:] = content
        return
    for name in [name for name, value in place.items() if isinstance(value, Tensor | list | tuple | dict)]:
        if place[name] is not content.get(name) and _has_graph(place[name]):
            if name in content:
                place[name] = content[name]
            else:
                del place[name]


def _has_graph(value: Any, depth: int = DEEPEST) -> bool:
    """Whether a value is, or holds, a tensor that was computed from parameters or inside of vmap."""
    if isinstance(value, Tensor):
        return is_functorch_wrapped_tensor(value) or value.grad_fn is not None
    if isinstance(value, dict):
        value = list(value.values())
    return depth > 0 and isinstance(value, list | tuple) and any(_has_graph(item, depth - 1) for item in value)
