"""Seed, store and restore the random generators of torch, Python's `random` and numpy."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def random_numbers(seed: int | None = None, *, devices: Sequence[torch.device] = ()) -> Iterator[None]:
    """Give the code inside its own random numbers; restore the generators at the end.

    Args:
        seed: seed of all three generators; None continues from their current states.
        devices: CUDA devices whose generators are included.
    """
    pythons, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            if seed is not None:
                seed_torch(seed)
                random.seed(seed)
                # np.random.seed([seed]) would give the same numbers as Python's random.seed(seed)
                np.random.seed(np.random.SeedSequence(seed).generate_state(8))
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)


def take_random_state(device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the states of the generators of torch, Python and numpy: tensors by name, and JSON values."""
    tensors = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    kind, numbers, *rest = np.random.get_state(legacy=True)
    return tensors, {"python": random.getstate(), "numpy": [kind, np.asarray(numbers).tolist(), *rest]}


def digest_random_state(device: torch.device) -> str:
    """Return the SHA-256 of the states of the generators of torch, Python and numpy."""
    tensors, values = take_random_state(device)
    words = [json.dumps(values), *(tensor.numpy().tobytes().hex() for tensor in tensors.values())]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def put_random_state(device: torch.device, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """Restore generator states that `take_random_state` returned."""
    torch.set_rng_state(tensors["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)
    version, numbers, gauss = values["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, words, *rest = values["numpy"]
    np.random.set_state((kind, np.array(words, dtype=np.uint32), *rest))


def seed_torch(seed: int) -> None:
    """Seed the generators of the CPU and of every CUDA device.

    Without CUDA it is 100 to 1000 times as fast as `torch.manual_seed`, which formats a stack trace for every kind of
    device that is missing.
    """
    torch.default_generator.manual_seed(torch_seed(seed))
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(torch_seed(seed))


def torch_seed(seed: int) -> int:
    """Return the seed for a torch generator; those from 2**32 are hashed.

    On a CPU torch 2.13 uses only the lower 32 bits, so 1 and 2**32 + 1 would be the same seed.
    """
    return seed if seed < 1 << 32 else int(np.random.SeedSequence(seed).generate_state(1)[0])
