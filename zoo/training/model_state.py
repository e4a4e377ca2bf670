"""Read and restore the state of a model, its parameters and persistent buffers by name, without `state_dict` hooks.

A hook may rename, drop or add an entry only on saving, and `load_state_dict` cannot fill a tensor that is expanded or
has grown. Names are those of a `state_dict` without hooks.
"""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.models.build import overlaps_itself, refuse_extra_state


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return every parameter and persistent buffer under each of its names, detached, sharing the model's memory.

    Raises:
        UsageError: a module has extra state (`get_extra_state`), which need not be tensors.
    """
    refuse_extra_state(model)
    return {name: tensor.detach() for name, tensor in _places(model).items()}


def copy_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the state of a model.

    Raises:
        UsageError: as `state_of`.
    """
    return {name: tensor.clone() for name, tensor in state_of(model).items()}


def find_ties(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Map the name of each tied tensor to the alphabetically first name of the same view of the same memory."""
    firsts: dict[Any, str] = {}
    views = {
        name: (
            tensor.device,
            tensor.data_ptr(),
            tensor.dtype,
            tensor.shape,
            tensor.stride(),
            tensor.is_conj(),
            tensor.is_neg(),
        )
        for name, tensor in sorted(state.items(), key=itemgetter(0))
        if tensor.numel()
    }
    return {name: first for name, view in views.items() if (first := firsts.setdefault(view, name)) != name}


@torch.no_grad()
def restore_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Write `state`, which comes from this model or an equal one, into a model.

    Values are written in place, so tied tensors stay tied, unless `state` has different values for them. A tensor
    whose shape or dtype has changed gets new memory. Tensors that are not in `state` stay unchanged.

    Raises:
        UsageError: the model lacks a name, or cannot hold the values because tensors share memory.
    """
    places = _places(model)
    if gone := sorted(state.keys() - places.keys()):
        raise UsageError(f"{type(model).__name__} has no '{gone[0]}' any more.")
    for name, saved in state.items():
        tensor = places[name]
        if tensor.shape != saved.shape or tensor.dtype != saved.dtype or overlaps_itself(tensor):
            tensor.data = saved.to(tensor.device, copy=True)
        else:
            tensor.copy_(saved)
    for name in _find_unequal(model, state):
        path, _, own = name.rpartition(".")
        module, apart = model.get_submodule(path), state[name].to(places[name].device, copy=True)
        if own in module._buffers:
            module._buffers[own] = apart
        else:
            module._parameters[own] = nn.Parameter(apart, requires_grad=places[name].requires_grad)
    if wrong := _find_unequal(model, state):
        raise UsageError(f"In {type(model).__name__}, '{wrong[0]}' shares memory with a tensor of other values.")


def _find_unequal(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Return the names whose values in the model differ from those in `state`."""
    places = _places(model)
    return [name for name, saved in state.items() if not same_bits(places[name], saved)]


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape, dtype and bits, nan included."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    return torch.equal(to_bytes(one), to_bytes(other).to(one.device))


def to_bytes(tensor: Tensor) -> Tensor:
    """Return the bytes of the values in order, (bytes,) uint8, also for strided, conjugate and negative views."""
    return materialize(tensor).flatten().view(torch.uint8)


def materialize(tensor: Tensor) -> Tensor:
    """Return the same values detached, contiguous, with conjugate and negative views resolved."""
    return tensor.detach().resolve_conj().resolve_neg().contiguous()


def _places(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors themselves by name; a shared one under each of its names."""
    return {
        f"{path}.{name}" if path else name: tensor
        for path, module in model.named_modules(remove_duplicate=False)
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]
        if tensor is not None and name not in module._non_persistent_buffers_set
    }
