"""A stretch of work with random numbers and threads of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zoo.surroundings.guard import restore_silently
from zoo.surroundings.random_numbers import random_numbers


@contextmanager
def own_random_numbers(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """A stretch of work with its own random numbers, of the device too; those outside are as before."""
    with random_numbers(seed, devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def isolated(device: torch.device, *, threads: int | None = None, seed: int | None = None) -> Iterator[None]:
    """A stretch of work with its own random numbers and thread count; all that a process shares is as before."""
    before = torch.get_num_threads()
    with restore_silently(), own_random_numbers(device, seed):
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
