"""Weights as safetensors: reading executes no code, and a digest tells whether the file is the recorded one.

The same weights are the same bytes in every process (`zoo.training.tensor_file`); beside the tensors stands

    ties    name of a tied tensor -> the name that its numbers are stored under

Numbers are stored as they are; save_model of safetensors 0.8 writes the memory behind a conjugate or negative view.
"""

import hashlib
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from zoo.errors import RunError, UsageError
from zoo.regular_file import read_regular
from zoo.training.model_state import find_ties, restore_state, same_bits, state_of
from zoo.training.tensor_file import from_file, has_values, to_file
from zoo.whole_file import write_whole

BESIDE = 64 << 20
"""Most bytes that a file of weights has beside the tensors: their names, and which are tied."""

_TIES = TypeAdapter(dict[str, str])


class UnfitWeightsError(RunError):
    """Weights that do not fit a model: `reason` says in which way."""

    def __init__(self, path: Path, model: nn.Module, reason: str) -> None:
        super().__init__(f"Weights '{path}' do not fit {type(model).__name__} as it is now: {reason}")
        self.reason = reason


def save_weights(model: nn.Module, path: Path) -> str:
    """Write every parameter and persistent buffer (a tied one once); returns the SHA-256 of the file.

    Raises:
        RunError: the disk is full, or anything else that keeps the file from being written.
        UsageError: the model keeps state that is no tensor.
    """
    state = state_of(model)
    ties = find_ties(state)
    own = {name: tensor for name, tensor in state.items() if name not in ties}
    data = to_file(own, {"ties": ties})
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(model: nn.Module, path: Path, sha256: str) -> None:
    """Load weights into a model that has exactly the names, shapes and types of the file.

    Raises:
        RunError: the file is missing or changed.
        UnfitWeightsError: it belongs to another architecture.
    """
    state_bytes = sum(tensor.nbytes for tensor in state_of(model).values())
    try:
        data = read_regular(path, BESIDE + 2 * state_bytes)  # of another program's, tied tensors may stand there twice
    except OSError as error:
        raise RunError(f"Cannot read weights '{path}': {error.strerror}.") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise RunError(f"Weights '{path}' are not those of the run: SHA-256 {digest[:12]}…, recorded {sha256[:12]}….")
    try:
        if has_values(data):
            tensors, values = from_file(data)
            state = tensors | {name: tensors[first] for name, first in _TIES.validate_python(values["ties"]).items()}
        else:  # a file of another program's, or of version 0.1: of tied tensors it may have either
            state = load(data)
            for name, first in find_ties(state_of(model)).items():
                found = state.get(name, state.get(first))
                state |= {one: found for one in (name, first) if found is not None and one not in state}
        if difference := _describe_difference(state, state_of(model)):
            raise UsageError(difference)
        restore_state(model, state)
    except (RuntimeError, SafetensorError, UsageError, ValueError, KeyError) as error:
        raise UnfitWeightsError(path, model, str(error).splitlines()[0]) from None


def _describe_difference(state: dict[str, Tensor], own: dict[str, Tensor]) -> str:
    """Describe the first difference between the state in a file and that of a model; empty if there is none."""
    if lacking := sorted(own.keys() - state.keys()):
        return f"'{lacking[0]}' is not in the file."
    if extra := sorted(state.keys() - own.keys()):
        return f"'{extra[0]}' of the file is not in the model."
    for name, tensor in sorted(state.items()):  # safetensors 0.8 gives them in an order that changes
        stored, here = (f"{tuple(one.shape)} {str(one.dtype).removeprefix('torch.')}" for one in (tensor, own[name]))
        if stored != here:
            return f"'{name}' is {stored}, in the model {here}."
    for name, first in find_ties(own).items():
        if not same_bits(state[name], state[first]):
            return f"'{name}' and '{first}' are tied in the model, and not in the file."
    return ""
