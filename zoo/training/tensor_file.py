"""Tensors of any type as a safetensors file, its bytes the same in every process.

safetensors writes metadata in random order, so all of it is one key, a JSON object; `types` in it says the type and
shape of a tensor that safetensors does not know and that is stored as bytes. Numbers are stored as they are.
"""

import json
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors.torch import load, save
from torch import Tensor

from zoo.training.model_state import materialize, to_bytes

KEY = "zoo"
KNOWN = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64),
}
"""Types that safetensors stores as themselves; others are stored as bytes."""

_OBJECT = TypeAdapter(dict[str, Any])
_METADATA = TypeAdapter(dict[str, str])
_TYPES = TypeAdapter(dict[str, tuple[str, list[int]]])


def to_file(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> bytes:
    """The content of a file with these tensors, and values that JSON can hold."""
    types = {
        name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        for name, tensor in tensors.items()
        if tensor.dtype not in KNOWN
    }
    plain = {
        name: (to_bytes(tensor) if name in types else materialize(tensor)).to("cpu", copy=True)
        for name, tensor in tensors.items()
    }
    return save(plain, {KEY: json.dumps({**values, "types": types}, sort_keys=True)})


def has_values(data: bytes) -> bool:
    """Whether a file was written by `to_file`; any other safetensors file was not.

    Raises:
        ValueError: it is no safetensors file.
    """
    return KEY in _read_metadata(data)


def from_file(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, in memory of their own, and its values.

    Raises:
        SafetensorError, ValueError, KeyError: it is none.
    """
    values = _parse(_read_metadata(data)[KEY])
    tensors = load(data)
    for name, (dtype, shape) in _TYPES.validate_python(values.pop("types")).items():
        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype):
            raise ValueError(f"'{dtype:.40}' is no type of a tensor")
        aligned = tensors[name].clone()  # torch reads wide types from where they may stand, or crashes
        try:
            tensors[name] = aligned.view(kind).view(shape)
        except RuntimeError:
            raise ValueError(f"'{name:.40}' does not hold numbers of type {dtype} and shape {shape}") from None
    return tensors, values


def _read_metadata(data: bytes) -> dict[str, str]:
    header = _parse(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return _METADATA.validate_python(header.get("__metadata__", {}))


def _parse(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a header is.

    Raises:
        ValueError: it is none.
    """
    try:
        return _OBJECT.validate_python(json.loads(text))
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
