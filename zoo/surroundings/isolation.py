"""Contexts with their own random numbers and thread count."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zoo.surroundings.guard import restore_silently
from zoo.surroundings.random_numbers import random_numbers


@contextmanager
def own_random_numbers(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Give the code inside its own random numbers, also on `device`; restore those outside."""
    with random_numbers(seed, devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def isolated(device: torch.device, *, threads: int | None = None, seed: int | None = None) -> Iterator[None]:
    """Give the code inside its own random numbers and thread count; restore all surroundings at the end."""
    before = torch.get_num_threads()
    with restore_silently(), own_random_numbers(device, seed):
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
