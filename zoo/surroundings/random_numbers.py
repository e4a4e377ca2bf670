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
                np.random.seed(
                    np.random.SeedSequence(seed).generate_state(8)
                )  # a plain seed repeats the others' numbers
            yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)


def seed_torch(seed: int) -> None:
    """Seed the generators of the CPU and of every CUDA device, as `torch.manual_seed` does, 100 to 1000 times as fast
    where there is no CUDA: that function writes down a stack trace for every kind of device that is not there."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
