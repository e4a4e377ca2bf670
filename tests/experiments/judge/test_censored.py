"""Medians and tests of numbers that are known by bounds, against plain counting."""

import math
from itertools import product

import numpy as np
import pytest
import scipy

from zoo.experiments.judge.censored import adjust, find_typical, sign_test, skipped_values

INF = math.inf


def exact(*values: float) -> list[tuple[float, float]]:
    return [(value, value) for value in values]


@pytest.mark.parametrize("count", range(1, 30))
def test_the_interval_of_a_median_is_the_narrowest_that_holds_in_95_percent(count: int) -> None:
    """Whether the k-th smallest and largest of n values lie around the median is a matter of coins."""
    found = skipped_values(count)
    miss = [2 * scipy.stats.binom.cdf(skipped, count, 0.5) for skipped in range(count)]
    assert (found is None) == (count < 6)
    if found is not None:
        assert miss[found] <= 0.05 < miss[found + 1]
        assert find_typical(exact(*range(count))).coverage == pytest.approx(1 - miss[found])


def test_the_interval_of_ten_numbers_leaves_out_the_smallest_and_the_largest() -> None:
    found = find_typical(exact(*range(9, -1, -1)))
    assert (found.at_least, found.at_most, found.low, found.high) == (4.5, 4.5, 1, 8)


def test_fewer_than_six_or_dependent_numbers_have_their_range() -> None:
    few, dependent = find_typical(exact(3, 1, 2)), find_typical(exact(*range(10)), independent=False)
    assert (few.at_least, few.low, few.high, few.coverage) == (2, 1, 3, None)
    assert (dependent.low, dependent.high, dependent.coverage) == (0, 9, None)


@pytest.mark.parametrize(
    ("bounds", "median", "ends"),
    [
        ([*exact(1, 2), (5, INF)], (2, 2), (1, None)),
        ([*exact(1), (5, INF), (4, INF)], (4, None), (1, None)),
        ([*exact(1, 3), (4, INF), (5, INF)], (3.5, None), (1, None)),
        ([*exact(1, 3), *exact(INF, INF)], (3, None), (1, None)),
        (exact(1, INF, INF), (None, None), (1, None)),
        ([*exact(1, 2, 3, 4), (9, INF), (8, INF)], (3.5, 3.5), (1, None)),
        ([*exact(1, 2, 3, 4, 5, 6, 7, 8, 9), (9.5, INF)], (5.5, 5.5), (2, 9)),
    ],
)
def test_a_number_beyond_a_bound_counts_as_larger_than_it(
    bounds: list[tuple[float, float]], median: tuple[float, float], ends: tuple[float, float]
) -> None:
    found = find_typical(bounds)
    assert (found.at_least, found.at_most) == median
    assert (found.low, found.high) == ends


def test_the_median_lies_within_its_bounds_whatever_the_unknown_numbers_are() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        truth = draw.lognormal(size=draw.integers(1, 9))
        end = draw.choice([0.5, 1.0, 2.0])
        found = find_typical([(t, t) if t <= end else (end, INF) for t in truth.tolist()])
        assert found.at_least is not None
        assert found.at_least <= np.median(truth) <= (INF if found.at_most is None else found.at_most)


def test_the_two_middle_ones_of_ratios_are_averaged_as_ratios() -> None:
    assert find_typical(exact(0.5, 2.0), ratios=True).at_least == pytest.approx(1.0)
    one_never = find_typical(exact(0.0, 2.0), ratios=True)
    assert (one_never.at_least, one_never.at_most) == (0.0, 2.0)


def test_the_sign_test_counts_all_ways_the_coins_may_fall() -> None:
    for count in range(11):
        falls = [sum(fall) for fall in product((0, 1), repeat=count)]
        for first in range(count + 1):
            away = abs(first - count / 2)
            assert sign_test(first, count) == pytest.approx(np.mean([abs(n - count / 2) >= away for n in falls]))


def test_p_values_are_adjusted_as_by_holm() -> None:
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust([0.6, 0.5]) == [1.0, 1.0]
    assert adjust([]) == []
