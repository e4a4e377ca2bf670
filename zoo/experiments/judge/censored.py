"""Medians, intervals and tests of numbers of which some are known only to lie between two bounds.

The interval of a median has two of the sorted values as its ends: below its true median, each value lies with a chance
of one half, whatever the distribution. A value that is known only by its bounds counts as its lower one for the lower
end and as its upper one for the upper end, so the interval holds at least as often as it says.
"""

import math
from collections.abc import Sequence

from zoo.config import Frozen
from zoo.experiments.judge.tukey import LEVEL


class Typical(Frozen):
    """The median of some numbers, known to lie within two bounds, and its interval `low` to `high`; None: infinite."""

    at_least: float | None
    at_most: float | None
    low: float | None
    high: float | None
    coverage: float | None
    """Probability that an interval like (`low`, `high`) contains the true median; None: they are the range."""


def find_typical(bounds: Sequence[tuple[float, float]], *, ratios: bool = False, independent: bool = True) -> Typical:
    """Find the median and its exact interval; with fewer than six numbers, or dependent ones, their range.

    Args:
        bounds: lower and upper bound of each number, equal where it is known; at least one pair.
        ratios: average the two middle ones of an even number as ratios.
    """
    lower, upper = (sorted(ends) for ends in zip(*bounds, strict=True))
    count = len(bounds)
    skipped = skipped_values(count) if independent else None
    ends = skipped or 0
    return Typical(
        at_least=_finite(_middle(lower, ratios, upwards=False)),
        at_most=_finite(_middle(upper, ratios, upwards=True)),
        low=_finite(lower[ends]),
        high=_finite(upper[count - 1 - ends]),
        coverage=None if skipped is None else 1 - 2 * _tail(skipped, count),
    )


def skipped_values(count: int) -> int | None:
    """Return how many values lie outside the 95% interval of their median, on each side; None: there is no interval."""
    outside = [skipped for skipped in range((count + 1) // 2) if 2 * _tail(skipped, count) <= LEVEL]
    return max(outside, default=None)


def sign_test(first: int, count: int) -> float:
    """Return the two-sided exact p of `first` of `count` pairs in which the one number is below the other."""
    return min(1.0, 2 * _tail(min(first, count - first), count)) if count else 1.0


def adjust(chances: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for all of them (Holm 1979)."""
    adjusted, largest = [1.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        largest = max(largest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = largest
    return adjusted


def _tail(most: int, count: int) -> float:
    """Return the probability of at most this many heads among `count` fair coins."""
    return sum(math.comb(count, heads) for heads in range(most + 1)) / 2**count


def _middle(values: Sequence[float], ratios: bool, *, upwards: bool) -> float:
    """Return the middle value; of an even number the mean of the two in the middle, or one of them if it is no mean."""
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    if low == high or math.isinf(high) or (ratios and not low):
        return high if upwards else low
    return math.sqrt(low * high) if ratios else (low + high) / 2


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
