"""Where the arithmetic happens: device, threads, precision, and a clock that waits for the device."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from zoo.errors import UsageError
from zoo.surroundings import random_numbers, undisturbed


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: no such device here; the message lists those that are.
    """
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device("cuda:0" if cuda else "cpu")
    available = ["cpu", *(["cuda"] if cuda else []), *cuda]
    if name not in available:
        raise UsageError(f"Device '{name}' is not available. Here: {', '.join(available)} (or auto).")
    return torch.device("cuda:0" if name == "cuda" else name)


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[None]:
    """The precision of forward passes: float32 as it is, bfloat16 by autocast."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@contextmanager
def own_random_numbers(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """A stretch of work with its own random numbers, of the device too; those outside are as before."""
    with random_numbers(seed, devices=[device] if device.type == "cuda" else []):
        yield


@contextmanager
def isolated(device: torch.device, *, threads: int | None = None, seed: int | None = None) -> Iterator[None]:
    """A stretch of work with its own random numbers and thread count; all that a process shares is as before."""
    before = torch.get_num_threads()
    with undisturbed(), own_random_numbers(device, seed):
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class Stopwatch:
    """Seconds that count; stopped while something else happens (evaluation)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._total = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        running = time.perf_counter() - self._started if self._started is not None else 0.0
        return self._total + running

    def start(self) -> None:
        self._wait()
        self._started = time.perf_counter()

    def stop(self) -> None:
        self._wait()
        self._total = self.seconds
        self._started = None

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
