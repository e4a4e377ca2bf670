"""Measure peak memory of a function call: allocations on CUDA, resident pages of the process on Linux."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
SLACK = 1 << 20
"""Error in bytes of the kernel's page counters, which are kept per CPU."""


def kind_of_memory(device: torch.device) -> Literal["CUDA", "RSS"]:
    """Return the kind of memory that `peak_memory` measures on this device."""
    return "CUDA" if device.type == "cuda" else "RSS"


def peak_memory(work: Callable[[], object], device: torch.device) -> int | None:
    """Run `work`; return its peak bytes above those in use before, or None if they cannot be measured.

    Allocations of libraries on first use count too: run `work`, or similar work, once before.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return max(0, torch.cuda.max_memory_allocated(device) - before)
    before_work = _reset_peak()
    if before_work is None:
        return None
    work()
    peak = _read_status("VmHWM")
    return None if peak is None else max(0, peak - before_work)


def _reset_peak() -> int | None:
    """Give freed pages back to the system and reset the peak; return the resident bytes, or None on failure."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text("5")
    except (OSError, AttributeError, TypeError):  # no such file or permission; not glibc; Windows
        return None
    now, peak = _read_status("VmRSS"), _read_status("VmHWM")
    return now if now is not None and peak is not None and peak <= now + SLACK else None


def _read_status(name: str) -> int | None:
    """Return an entry of /proc/self/status in bytes, or None."""
    try:
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        return int(lines[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
