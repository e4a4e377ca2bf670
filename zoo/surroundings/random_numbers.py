"""The random numbers of torch, of Python's `random` and of numpy, which a model may all draw from."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def random_numbers(seed: int | None = None, *, devices: Sequence[torch.device] = ()) -> Iterator[None]:
    """A stretch of work with random numbers of its own, under a seed; those outside go on as if it had not been.

    Args:
        seed: of all three; without one they go on from where they are.
        devices: CUDA devices whose random numbers count too.
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
    """What a generator of torch is seeded with: on a CPU it takes a seed's lower 32 bits alone (torch 2.13), so that
    1 and 2**32 + 1 would be one seed. Seeds from 2**32 on are hashed."""
    return seed if seed < 1 << 32 else int(np.random.SeedSequence(seed).generate_state(1)[0])
