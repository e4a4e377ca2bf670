"""Save and load weights as safetensors: reading executes no code, and a digest identifies the recorded file.

Equal weights give equal bytes in every process (`zoo.training.tensor_file`). The file also has

    ties    name of a tied tensor -> the name under which its values are stored

Conjugate and negative views are resolved; save_model of safetensors 0.8 would write the memory behind them.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path

from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from zoo.errors import RunError, UsageError
from zoo.models.interface import SequenceModel, is_counted
from zoo.regular_file import read_regular
from zoo.training.model_state import find_ties, restore_state, same_bits, state_of
from zoo.training.tensor_file import from_file, has_values, to_file
from zoo.whole_file import write_whole

BESIDE = 64 << 20
"""Maximum bytes of a weights file besides the tensors: names and ties."""

MOST_COUNTED = 64 << 30
"""Maximum bytes of a weights file of a model of counts, whose buffers have the size of its text."""

_TIES = TypeAdapter(dict[str, str])


class UnfitWeightsError(RunError):
    """Weights that do not fit a model; `reason` says why."""

    def __init__(self, path: Path, model: nn.Module, reason: str) -> None:
        super().__init__(f"Weights '{path}' do not fit {type(model).__name__} as it is now: {reason}")
        self.reason = reason


def save_weights(model: nn.Module, path: Path) -> str:
    """Write every parameter and persistent buffer (tied ones once); return the SHA-256 of the file.

    Raises:
        RunError: the file cannot be written, for example because the disk is full.
        UsageError: the model has extra state, as `state_of`.
    """
    state = state_of(model)
    ties = find_ties(state)
    own = {name: tensor for name, tensor in state.items() if name not in ties}
    data = to_file(own, {"ties": ties})
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def load_weights(model: nn.Module, path: Path, sha256: str) -> None:
    """Load weights into a model that has exactly the names, shapes and dtypes of the file.

    Buffers of a model of counts take the shapes of the file.

    Args:
        sha256: the recorded digest of the file.

    Raises:
        RunError: the file is missing, unreadable or changed.
        UnfitWeightsError: its names, shapes, dtypes or ties are not those of the model.
    """
    state_bytes = sum(tensor.nbytes for tensor in state_of(model).values())
    most = MOST_COUNTED if _is_counted(model) else BESIDE + 2 * state_bytes
    try:
        data = read_regular(path, most)  # twice, as other programs may store tied tensors twice
    except OSError as error:
        raise RunError(f"Cannot read weights '{path}': {error.strerror}.") from None
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise RunError(f"Weights '{path}' are not those of the run: SHA-256 {digest[:12]}…, recorded {sha256[:12]}….")
    try:
        if has_values(data):
            tensors, values = from_file(data)
            state = tensors | {name: tensors[first] for name, first in _TIES.validate_python(values["ties"]).items()}
        else:  # from another program or version 0.1: it may have either name of tied tensors
            state = load(data)
            for name, first in find_ties(state_of(model)).items():
                found = state.get(name, state.get(first))
                state |= {one: found for one in (name, first) if found is not None and one not in state}
        resized = {name for name, _ in model.named_buffers()} if _is_counted(model) else set[str]()
        if difference := _describe_difference(state, state_of(model), resized):
            raise UsageError(difference)
        restore_state(model, state)
    except (RuntimeError, SafetensorError, UsageError, ValueError, KeyError) as error:
        raise UnfitWeightsError(path, model, str(error).splitlines()[0]) from None


def _is_counted(model: nn.Module) -> bool:
    return isinstance(model, SequenceModel) and is_counted(type(model))


def _describe_difference(state: dict[str, Tensor], own: dict[str, Tensor], resized: Collection[str]) -> str:
    """Describe the first difference between the state of a file and the model's `own`; empty if there is none.

    Args:
        resized: names of tensors that may have another shape.
    """
    if lacking := sorted(own.keys() - state.keys()):
        return f"'{lacking[0]}' is not in the file."
    if extra := sorted(state.keys() - own.keys()):
        return f"'{extra[0]}' of the file is not in the model."
    for name, tensor in sorted(state.items()):  # safetensors 0.8 returns them in random order
        stored, here = (f"{tuple(one.shape)} {str(one.dtype).removeprefix('torch.')}" for one in (tensor, own[name]))
        if stored != here and not (name in resized and tensor.dtype == own[name].dtype):
            return f"'{name}' is {stored}, in the model {here}."
    for name, first in find_ties(own).items():
        if not same_bits(state[name], state[first]):
            return f"'{name}' and '{first}' are tied in the model, and not in the file."
    return ""
