"""The random numbers of torch, Python's `random` and numpy; a model may draw from all of them."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
