"""Device, precision, and a clock that synchronises with the device."""

import time
from contextlib import AbstractContextManager, nullcontext

import torch

from zoo.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA if available, else the CPU.

    Raises:
        UsageError: the device is not available; the message lists those that are.
    """
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device("cuda:0" if cuda else "cpu")
    available = ["cpu", *(["cuda"] if cuda else []), *cuda]
    if name not in available:
        raise UsageError(f"Device '{name}' is not available. Here: {', '.join(available)} (or auto).")
    return torch.device("cuda:0" if name == "cuda" else name)


def autocast(device: torch.device, dtype: str) -> AbstractContextManager[None]:
    """Return the context of forward passes: autocast for bfloat16, none for float32."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class Stopwatch:
    """Count seconds of training, without evaluations; synchronises with the device at start and stop."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._total = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        running = time.perf_counter() - self._started if self._started is not None else 0.0
        return self._total + running

    def resume(self, seconds: float) -> None:
        """Start with `seconds` on the clock."""
        self._total = seconds
        self.start()

    def start(self) -> None:
        """Wait for the device, then start the clock."""
        self._wait()
        self._started = time.perf_counter()

    def stop(self) -> None:
        """Wait for the device, then stop the clock."""
        self._wait()
        self._total = self.seconds
        self._started = None

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
