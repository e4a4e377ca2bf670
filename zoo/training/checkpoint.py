"""Weights as safetensors: reading executes no code, and a digest tells whether the file is the recorded one.

The same weights are the same bytes in every process: safetensors writes metadata in random order, so all of it is one
key, a JSON object:

    ties    name of a tied tensor -> the name that its numbers are stored under
    types   name -> [type, shape] of a tensor whose type safetensors does not know; it is stored as bytes

Numbers are stored as they are; save_model of safetensors 0.8 writes the memory behind a conjugate or negative view.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file
from torch import Tensor, nn

from zoo.errors import RunError, UsageError
from zoo.training.model_state import find_ties, materialize, restore_state, same_bits, state_of, to_bytes

KEY = "zoo"
KNOWN = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64),
}
"""Types that safetensors stores as themselves; others are stored as bytes."""


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
    types = {
        name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        for name, tensor in own.items()
        if tensor.dtype not in KNOWN
    }
    tensors = {
        name: (to_bytes(tensor) if name in types else materialize(tensor)).to("cpu", copy=True)
        for name, tensor in own.items()
    }
    metadata = {KEY: json.dumps({"ties": ties, "types": types}, sort_keys=True)}
    try:
        save_file(tensors, str(path), metadata)
    except (SafetensorError, OSError) as error:
        raise RunError(f"Cannot write weights '{path}': {error}.") from None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_weights(model: nn.Module, path: Path, sha256: str) -> None:
    """Load weights into a model that has exactly the names, shapes and types of the file.

    Raises:
        RunError: the file is missing or changed.
        UnfitWeightsError: it belongs to another architecture.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f"Cannot read weights '{path}': {error.strerror}.") from None
    if digest != sha256:
        raise RunError(f"Weights '{path}' are not those of the run: SHA-256 {digest[:12]}…, recorded {sha256[:12]}….")
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
        if KEY not in metadata:  # a file of version 0.1, written by safetensors' save_model
            load_model(model, str(path))
            return
        state = _restore_types(load_file(str(path)), **json.loads(metadata[KEY]))
        if difference := _describe_difference(state, state_of(model)):
            raise UsageError(difference)
        restore_state(model, state)
    except (RuntimeError, SafetensorError, UsageError) as error:
        raise UnfitWeightsError(path, model, str(error).splitlines()[0]) from None


def _restore_types(tensors: dict[str, Tensor], ties: dict[str, str], types: dict[str, Any]) -> dict[str, Tensor]:
    """Tensors of a file under each of their names, in their own types."""
    for name, (dtype, shape) in types.items():
        aligned = tensors[name].clone()  # torch reads wide types from where they may stand, or crashes
        tensors[name] = aligned.view(getattr(torch, dtype)).view(shape)
    return tensors | {name: tensors[first] for name, first in ties.items()}


def _describe_difference(state: dict[str, Tensor], own: dict[str, Tensor]) -> str:
    """Describe the first difference between the state in a file and that of a model; empty if there is none."""
    if lacking := sorted(own.keys() - state.keys()):
        return f"'{lacking[0]}' is not in the file."
    if extra := sorted(state.keys() - own.keys()):
        return f"'{extra[0]}' of the file is not in the model."
    for name, tensor in state.items():
        stored, here = (f"{tuple(one.shape)} {str(one.dtype).removeprefix('torch.')}" for one in (tensor, own[name]))
        if stored != here:
            return f"'{name}' is {stored}, in the model {here}."
    for name, first in find_ties(own).items():
        if not same_bits(state[name], state[first]):
            return f"'{name}' and '{first}' are tied in the model, and not in the file."
    return ""
