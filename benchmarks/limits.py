"""What this machine can do at most, measured: floating-point operations a second, and bytes of memory a second.

Everything that is timed here is set against both: operations over the one, bytes over the other, whichever is longer.
Small models stay in the caches, which are faster than memory: the second limit is a yardstick there and no bound.
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
"""float32 numbers in the array that is copied: more than fits into any cache."""
REPEATS = 7

AT_LIMITS = ("operations", "bytes", "measured", "distance")
"""Columns that come first: seconds at either limit, measured seconds, and how many times the longer limit that is."""

FOUND = Table("the machine's limits, measured", "threads", "GFLOP/s", "GB/s")


class Needs(NamedTuple):
    """What a piece of work cannot do without."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Limits:
    """Of the machine, under a number of threads."""

    flops: float
    """float32 operations a second in a product of matrices."""
    bytes: float
    """Read and written a second."""
    threads: int

    def seconds(self, needs: Needs) -> float:
        """The least that work can take, by whichever limit is the harder one."""
        return max(needs.flops / self.flops, needs.bytes / self.bytes)

    def share(self, needs: Needs, seconds: float) -> float:
        """How much of the limit is reached, 0 to 1."""
        return self.seconds(needs) / seconds

    def cells(self, needs: Needs, seconds: float) -> tuple[str, str, str, str]:
        """`AT_LIMITS` of work that took so long."""
        least = needs.flops / self.flops, needs.bytes / self.bytes
        return duration(least[0]), duration(least[1]), duration(seconds), f"{seconds / max(least):.3g}×"


def limits() -> Limits:
    """Under the number of threads in use; measured once a session."""
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
    """Seconds of the fastest of some calls, after one that warms up."""
    work()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
