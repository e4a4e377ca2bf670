"""Peak memory of a piece of work: allocations on CUDA, resident pages of the process on Linux."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")
SLACK = 1 << 20
"""Bytes by which the kernel's counters of pages, which it keeps for each CPU, may be off."""


def kind_of_memory(device: torch.device) -> Literal["CUDA", "RSS"]:
    """What `peak_memory` counts there."""
    return "CUDA" if device.type == "cuda" else "RSS"


def peak_memory(work: Callable[[], object], device: torch.device) -> int | None:
    """Peak bytes of `work` beyond those in use before; None where it cannot be measured.

    What libraries allocate on first use counts too: run the work, or something like it, once before.
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
    """Return freed pages to the system and reset the peak; returns the resident bytes now, None where it fails."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text("5")
    except (OSError, AttributeError, TypeError):  # no such file or permission; not glibc; Windows
        return None
    now, peak = _read_status("VmRSS"), _read_status("VmHWM")
    return now if now is not None and peak is not None and peak <= now + SLACK else None


def _read_status(name: str) -> int | None:
    """A line of the status of the process, in bytes."""
    try:
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        return int(lines[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
