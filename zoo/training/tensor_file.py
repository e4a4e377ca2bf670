"""Write and read tensors of any dtype as safetensors, with the same bytes in every process.

safetensors writes metadata keys in random order, so there is only one key, a JSON object. Its entry `types` gives dtype
and shape of tensors that safetensors does not support, which are stored as bytes.
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
"""Dtypes that safetensors supports; others are stored as bytes."""

_OBJECT = TypeAdapter(dict[str, Any])
_METADATA = TypeAdapter(dict[str, str])
_TYPES = TypeAdapter(dict[str, tuple[str, list[int]]])


def to_file(tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> bytes:
    """Return the content of a file with these tensors and JSON values."""
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
    """Return whether `to_file` wrote the safetensors file.

    Raises:
        ValueError: the data are not a safetensors file.
    """
    return KEY in _read_metadata(data)


def from_file(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file, in new memory, and its values.

    Raises:
        SafetensorError, ValueError, KeyError: the data are not a file of `to_file`.
    """
    values = _parse(_read_metadata(data)[KEY])
    tensors = load(data)
    for name, (dtype, shape) in _TYPES.validate_python(values.pop("types")).items():
        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype):
            raise ValueError(f"'{dtype:.40}' is no type of a tensor")
        aligned = tensors[name].clone()  # torch crashes on wide dtypes in unaligned memory
        try:
            tensors[name] = aligned.view(kind).view(shape)
        except RuntimeError:
            raise ValueError(f"'{name:.40}' does not hold numbers of type {dtype} and shape {shape}") from None
    return tensors, values


def _read_metadata(data: bytes) -> dict[str, str]:
    header = _parse(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return _METADATA.validate_python(header.get("__metadata__", {}))


def _parse(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: the text is not a JSON object.
    """
    try:
        return _OBJECT.validate_python(json.loads(text))
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
