"""Exact methods cover as often as promised whatever the truth, and agree with scipy's where it has them."""

import numpy as np
import pytest
from scipy import stats

from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.exact import analyse_binary, coin_chance, difference_interval, share_interval


@pytest.mark.parametrize(("count", "number"), [(0, 5), (5, 5), (3, 10), (70, 100)])
def test_a_share_has_the_interval_of_clopper_and_pearson(count: int, number: int) -> None:
    reference = stats.binomtest(count, number).proportion_ci(0.9)
    assert share_interval(count, number, 0.1) == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize(("first", "second"), [(0, 5), (3, 3), (7, 1), (40, 60)])
def test_the_coin_is_scipys_binomial_test(first: int, second: int) -> None:
    assert coin_chance(first, second) == pytest.approx(stats.binomtest(first, first + second).pvalue)


def test_models_that_never_differ_have_p_1_and_an_interval_around_zero() -> None:
    low, high = difference_interval(0, 0, 200, 0.05)
    assert coin_chance(0, 0) == 1
    assert low < 0 < high < 0.05


@pytest.mark.parametrize("number", [12, 60])
@pytest.mark.parametrize(("gain", "loss"), [(0.0, 0.0), (0.1, 0.1), (0.3, 0.05), (0.5, 0.0), (0.85, 0.1)])
def test_the_interval_of_a_difference_covers_at_least_95_percent(number: int, gain: float, loss: float) -> None:
    """Exactly: over all outcomes, weighted by their probability."""
    covered = 0.0
    for first in range(number + 1):
        for second in range(number + 1 - first):
            chance = stats.multinomial.pmf(
                [first, second, number - first - second], number, [gain, loss, 1 - gain - loss]
            )
            if chance > 1e-9:
                low, high = difference_interval(first, second, number, 0.05)
                covered += chance * (low <= gain - loss <= high)
    assert covered >= 0.95


def test_p_is_below_the_level_where_the_interval_excludes_zero() -> None:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        wrong = (rng.random((3, 40)) < np.array([[0.1], [0.4], [0.5]])).astype(float)
        for pair in analyse_binary("abc", wrong, criterion=Criterion(margin=1e-9)).pairs:
            assert pair.p is not None
            assert pair.joint_low is not None
            assert pair.joint_high is not None
            excluded = not pair.joint_low <= 0 <= pair.joint_high
            assert excluded == (pair.p < 0.05)
            assert excluded == (pair.verdict in ("better", "worse"))
            found.append(excluded)
    assert any(found)
    assert not all(found)


def test_fewer_errors_are_better_and_models_are_equal_within_a_margin() -> None:
    wrong = np.zeros((2, 400))
    wrong[1, :40] = 1
    assert analyse_binary("ab", wrong).pairs[0].verdict == "better"
    wrong[1, 1:] = 0
    assert analyse_binary("ab", wrong, criterion=Criterion(margin=0.05)).pairs[0].verdict == "equal"


def test_scores_that_are_not_right_or_wrong_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        analyse_binary("ab", [[0, 0.5], [1, 0]])
