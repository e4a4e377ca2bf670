"""Detect state of a model outside of parameters and buffers (a counter, a list, a generator): checkpoints lack it.

Plain values and random generators in the attributes of its modules are digested when the model is built and when a
checkpoint is taken. A run that continues from the checkpoint resets those that differ. Objects of other classes are
not examined.
"""

import hashlib
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

OWN = frozenset(nn.Module().__dict__)
DEEPEST = 8
"""Maximum depth of nested containers that are examined."""


def digest_attributes(model: nn.Module) -> dict[str, str]:
    """Map the dotted name of every plain attribute of a model's modules to the digest of its value."""
    stored = {_address(tensor) for tensor in (*model.parameters(), *model.buffers())}
    digests = {}
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            content = b"".join(_describe(value, stored, DEEPEST)) if name not in OWN else b""
            if content:
                digests[f"{prefix}.{name}" if prefix else name] = hashlib.sha256(content).hexdigest()
    return digests


def find_changes(before: Mapping[str, str], model: nn.Module) -> list[str]:
    """Return the names of attributes whose digests differ from `before`."""
    now = digest_attributes(model)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def describe_restart(names: Sequence[str]) -> str:
    """Describe in one line the attributes that a continued run resets."""
    it = "it" if len(names) == 1 else "them"
    return (
        f"keeps {', '.join(map(repr, names))} outside of parameters and buffers: "
        f"a run that goes on from a checkpoint starts {it} anew"
    )


def _describe(value: Any, stored: Set[Any], depth: int) -> Iterator[bytes]:
    """Yield the same bytes for equal plain values; nothing for other objects."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{type(value).__name__}:{value!r};".encode(errors="surrogatepass")
    elif isinstance(value, Tensor):
        yield from _describe_tensor(value, stored)
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"array:{value.shape}:{value.dtype};".encode() + value.tobytes()
    elif isinstance(value, torch.Generator):
        yield b"generator:" + value.get_state().numpy().tobytes()
    elif isinstance(value, random.Random):
        yield f"generator:{value.getstate()!r};".encode()
    elif isinstance(value, np.random.Generator | np.random.RandomState):
        state = value.bit_generator.state if isinstance(value, np.random.Generator) else value.get_state(legacy=False)
        yield from _describe(state, stored, DEEPEST)
    elif depth and isinstance(value, Mapping):
        yield f"{len(value)} entries;".encode()
        for key, item in value.items():
            yield from _describe(key, stored, depth - 1)
            yield from _describe(item, stored, depth - 1)
    elif depth and isinstance(value, list | tuple | deque):
        yield f"{len(value)} items;".encode()
        for item in value:
            yield from _describe(item, stored, depth - 1)
    elif depth and isinstance(value, Set):
        yield f"{len(value)} members;".encode()
        yield from sorted(b"".join(_describe(item, stored, depth - 1)) for item in value)


def _describe_tensor(tensor: Tensor, stored: Set[Any]) -> Iterator[bytes]:
    """Yield shape, dtype and content; no content in the memory of a parameter or buffer, which a checkpoint holds."""
    yield f"tensor:{tuple(tensor.shape)}:{tensor.dtype};".encode()
    try:
        if _address(tensor) not in stored:
            yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    except (RuntimeError, TypeError, NotImplementedError):
        return  # sparse, or a wrapper without memory: only the shape counts


def _address(tensor: Tensor) -> Any:
    try:
        return tensor.device, tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return id(tensor)
