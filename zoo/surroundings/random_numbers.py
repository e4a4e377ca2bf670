"""The random numbers of torch, Python's `random` and numpy; a model may draw from all of them."""

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
    """Give the work inside random numbers of its own; those outside go on as if it had not run.

    Args:
        seed: of all three generators; without one they continue from their current states.
        devices: CUDA devices whose generators are covered too.
    """
    pythons, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=devices):
            if seed is not None:
                seed_torch(seed)
                random.seed(seed)
                # [seed] would give numpy the very numbers of Python's random.seed(seed)
                np.random.seed(np.random.SeedSequence(seed).generate_state(8))
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)


def take_random_state(device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Where the generators of torch, Python and numpy stand: tensors by name, and values that JSON can hold."""
    tensors = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(device)
    kind, numbers, *rest = np.random.get_state(legacy=True)
    return tensors, {"python": random.getstate(), "numpy": [kind, np.asarray(numbers).tolist(), *rest]}


def digest_random_state(device: torch.device) -> str:
    """A digest of where the generators of torch, Python and numpy stand."""
    tensors, values = take_random_state(device)
    words = [json.dumps(values), *(tensor.numpy().tobytes().hex() for tensor in tensors.values())]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


def put_random_state(device: torch.device, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> None:
    """Put the generators to where they stood."""
    torch.set_rng_state(tensors["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], device)
    version, numbers, gauss = values["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, words, *rest = values["numpy"]
    np.random.set_state((kind, np.array(words, dtype=np.uint32), *rest))


def seed_torch(seed: int) -> None:
    """Seed the generators of the CPU and of every CUDA device, as `torch.manual_seed` does, 100 to 1000 times as fast
    where there is no CUDA: that function writes down a stack trace for every kind of device that is not there."""
    torch.default_generator.manual_seed(torch_seed(seed))
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(torch_seed(seed))


def torch_seed(seed: int) -> int:
    """The seed for a generator of torch: seeds from 2**32 on are hashed, since on a CPU torch 2.13 uses the lower 32
    bits alone, and 1 and 2**32 + 1 would be the same seed."""
    return seed if seed < 1 << 32 else int(np.random.SeedSequence(seed).generate_state(1)[0])
