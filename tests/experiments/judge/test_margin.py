"""One family of simultaneous intervals decides: better, equal within the margin, or better by less than it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.estimates import Pair

Array = NDArray[np.float64]
TOKENS = np.full(40, 5.0)


def judge(losses: Array, **criterion: float) -> Analysis:
    """Judge a study in which every document has the losses (K, n) of its model and seed."""
    return analyse(
        [f"m{k}" for k in range(len(losses))], losses[:, :, None] * TOKENS, TOKENS, criterion=Criterion(**criterion)
    )


@pytest.fixture
def scattered() -> Array:
    """Losses (2, 6) with differences of mean -0.01 and standard deviation 0.004."""
    steps = np.linspace(-1, 1, 6)
    differences = -0.01 + 0.004 * steps / steps.std(ddof=1)
    return np.stack([2 + differences, np.full(6, 2.0)])


@pytest.mark.parametrize(
    ("margin", "verdict", "less"),
    [(0.001, "better", False), (0.01, "better", False), (0.02, "better", True)],
)
def test_a_difference_that_is_found_is_better_and_by_less_than_a_wide_margin(
    scattered: Array, margin: float, verdict: str, less: bool
) -> None:
    pair = judge(scattered, margin=margin).pairs[0]
    assert (pair.verdict, pair.less) == (verdict, less)


@pytest.mark.parametrize(("margin", "verdict"), [(0.002, "undecided"), (0.006, "equal")])
def test_a_difference_that_is_not_found_is_equal_only_within_the_margin(
    scattered: Array, margin: float, verdict: str
) -> None:
    scattered[0] += 0.0095
    pair = judge(scattered, margin=margin).pairs[0]
    assert (pair.verdict, pair.less) == (verdict, verdict == "equal")
    assert pair.joint_low is not None
    assert pair.joint_high is not None
    assert (pair.joint_high < margin) == (verdict == "equal")


def test_without_a_margin_nothing_is_equal_and_no_simultaneous_interval_is_given(scattered: Array) -> None:
    scattered[0] = scattered[1]
    pair = judge(scattered).pairs[0]
    assert (pair.verdict, pair.joint_low, pair.less) == ("undecided", None, False)


def test_identical_results_are_equal_within_any_margin(scattered: Array) -> None:
    scattered[0] = scattered[1]
    assert judge(scattered, margin=1e-6).pairs[0].verdict == "equal"


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("scales", [(1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 6.0)])
def test_a_simultaneous_interval_excludes_zero_where_p_is_below_the_level(
    scales: tuple[float, ...], seeds: int
) -> None:
    rng = np.random.default_rng(len(scales) + seeds)
    excluded = []
    for _ in range(15):
        losses = 2 + 0.02 * np.array(scales)[:, None] * rng.standard_normal((len(scales), seeds))
        losses += 0.06 * np.arange(len(scales))[:, None]
        for level in (0.05, 0.01):
            for pair in judge(losses, margin=0.01, level=level).pairs:
                if not pair.withheld:
                    assert pair.p is not None
                    assert pair.joint_low is not None
                    assert pair.joint_high is not None
                    found = not pair.joint_low <= 0 <= pair.joint_high
                    assert found == (pair.p < level) or abs(pair.p - level) < 1e-4
                    excluded.append(found)
    assert any(excluded)
    assert not all(excluded)


@pytest.mark.parametrize(
    ("models", "seeds"),
    [(2, 3), (3, 3), pytest.param(4, 6, marks=pytest.mark.slow), pytest.param(8, 5, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("wild", [1.0, 6.0])
def test_all_simultaneous_intervals_hold_together_in_95_percent_of_studies(
    models: int, seeds: int, wild: float
) -> None:
    rng, studies, missed = np.random.default_rng([models, seeds, int(wild)]), 400, 0
    scales, truth = np.array([*[1.0] * (models - 1), wild]), 0.01 * np.arange(models)
    for _ in range(studies):
        losses = 2 + truth[:, None] + 0.02 * scales[:, None] * rng.standard_normal((models, seeds))
        pairs = [pair for pair in judge(losses, margin=0.005).pairs if pair.joint_low is not None]
        missed += any(not _holds(pair, truth) for pair in pairs)
    assert missed / studies <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / studies)


def _holds(pair: Pair, truth: Array) -> bool:
    assert pair.joint_low is not None
    assert pair.joint_high is not None
    difference = truth[int(pair.a[1:])] - truth[int(pair.b[1:])]
    return bool(pair.joint_low <= difference <= pair.joint_high)


@pytest.mark.parametrize("level", [0.01, 0.2])
def test_intervals_of_means_and_pairs_have_the_level_asked_for(scattered: Array, level: float) -> None:
    usual, other = judge(scattered), judge(scattered, level=level)
    wider = level < 0.05
    for before, after in zip(usual.pairs, other.pairs, strict=True):
        assert before.low is not None
        assert after.low is not None
        assert (after.low < before.low) == wider
        assert after.p == before.p


def test_the_seeds_that_an_open_pair_needs_are_those_to_find_it_or_to_find_it_within_the_margin(
    scattered: Array,
) -> None:
    scattered[0] += 0.0095
    alone, within = judge(scattered).pairs[0], judge(scattered, margin=0.002).pairs[0]
    assert alone.seeds_needed is not None
    assert within.seeds_needed is not None
    assert within.seeds_needed < alone.seeds_needed


@pytest.mark.parametrize(("level", "margin"), [(0.0, None), (0.5, None), (0.05, 0.0), (0.05, float("inf"))])
def test_a_level_or_margin_without_meaning_is_refused(level: float, margin: float | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        Criterion(level, margin)
