"""Measure the limits of this machine: floating-point operations a second, and bytes of memory a second.

Benchmarks compare a measured time with the longer of two: operations over the first limit, bytes over the second. Small
models stay in the caches, which are faster than memory: for them the second limit is a scale, not a bound.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from tables import Table, duration

SIZES = (512, 1024, 2048)
"""Rows and columns of the matrices."""
COPIED = 64 * 2**20
"""Number of float32 elements in the copied array: more than any cache holds."""
REPEATS = 7

AT_LIMITS = ("operations", "bytes", "measured", "distance")
"""First columns of a table: seconds at either limit, measured seconds, and their ratio to the longer limit."""

FOUND = Table("the machine's limits, measured", "threads", "GFLOP/s", "GB/s")


class Needs(NamedTuple):
    """Floating-point operations and bytes that a piece of work needs at least."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Limits:
    """Limits of the machine with a number of threads."""

    flops: float
    """float32 operations a second in a product of matrices."""
    bytes: float
    """Bytes of memory read and written a second."""
    threads: int

    def seconds(self, needs: Needs) -> float:
        """Least seconds of the work, by the longer of both limits."""
        return max(needs.flops / self.flops, needs.bytes / self.bytes)

    def share(self, needs: Needs, seconds: float) -> float:
        """Share of the limit that is reached, 0 to 1."""
        return self.seconds(needs) / seconds

    def cells(self, needs: Needs, seconds: float) -> tuple[str, str, str, str]:
        """The cells of `AT_LIMITS` for work that took `seconds`."""
        least = needs.flops / self.flops, needs.bytes / self.bytes
        return duration(least[0]), duration(least[1]), duration(seconds), f"{seconds / max(least):.3g}×"


def limits() -> Limits:
    """The limits with the current number of threads, measured once per process."""
    return _limits(torch.get_num_threads())


@cache
def _limits(threads: int) -> Limits:
    rates = [2 * size**3 / _best(_product(size)) for size in SIZES]
    source = torch.ones(COPIED)
    target = torch.empty_like(source)
    copied = 2 * source.nbytes / _best(lambda: target.copy_(source))
    FOUND.add(str(threads), f"{max(rates) / 1e9:.1f}", f"{copied / 1e9:.1f}")
    return Limits(max(rates), copied, threads)


def _product(size: int) -> Callable[[], object]:
    a, b, out = (torch.randn(size, size) for _ in range(3))
    return lambda: torch.mm(a, b, out=out)


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls, after one to warm up."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
