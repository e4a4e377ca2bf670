"""Device, precision, and a clock that synchronises with the device."""

import time
from contextlib import AbstractContextManager, nullcontext

import torch

from zoo.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA if available, else the CPU.

    Raises:
        UsageError: no such device here; the message lists the available ones.
    """
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device("cuda:0" if cuda else "cpu")
    available = ["cpu", *(["cuda"] if cuda else []), *cuda]
    if name not in available:
        raise UsageError(f"Device '{name}' is not available. Here: {', '.join(available)} (or auto).")
    return torch.device("cuda:0" if name == "cuda" else name)


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[None]:
    """Context of forward passes: bfloat16 by autocast, nothing for float32."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class Stopwatch:
    """Counts seconds of training; stopped during evaluations."""

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
