"""Time several ways to do the same in turns, so that noise affects all alike."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

Work = Callable[[], object]


def in_turns(benchmark: BenchmarkFixture, ours: Work, *others: Work, turns: int, warmups: int = 1) -> list[list[float]]:
    """Seconds of every turn after the warm-up: of `ours`, which `benchmark` reports, and of each of the others."""
    spent: list[list[float]] = [[] for _ in others]

    def before() -> None:
        for work, seconds in zip(others, spent, strict=True):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)

    benchmark.pedantic(ours, setup=before, rounds=turns, warmup_rounds=warmups)
    return [list(benchmark.stats.stats.data), *(seconds[warmups:] for seconds in spent)]


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median of the ratios of times of neighbouring turns."""
    return median(one / other for one, other in zip(slow, fast, strict=True))
