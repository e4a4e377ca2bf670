"""Time a call on the device at hand."""

import platform
import time
from collections.abc import Callable

import torch

Work = Callable[[], object]


def seconds(work: Work, device: torch.device | None = None, *, at_least: float = 0.05) -> float:
    """Mean seconds of a call, over at least `at_least` seconds of calls; waits for the device."""
    wait(device)
    done, began = 0, time.perf_counter()
    while not done or time.perf_counter() - began < at_least:
        work()
        done += 1
    wait(device)
    return (time.perf_counter() - began) / done


def wait(device: torch.device | None) -> None:
    """Wait until a GPU has finished its work."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """Name of the GPU, or type of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
