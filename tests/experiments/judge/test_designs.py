"""Seeds alone, items alone and unpaired seeds are judged as the textbook says, and err as rarely as promised."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.unpaired import analyse_unpaired

Array = NDArray[np.float64]
STUDIES = 300
LIMIT = 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / STUDIES)


def labels(models: int) -> list[str]:
    return [f"m{k}" for k in range(models)]


def test_seeds_alone_are_a_paired_t_test_of_one_number_a_seed() -> None:
    losses = np.random.default_rng(3).normal(2, 0.1, (2, 5))
    pair = analyse("ab", losses[:, :, None], [1.0], units="test set").pairs[0]
    reference = stats.ttest_rel(*losses)
    interval = reference.confidence_interval()
    assert (pair.p, pair.low, pair.high) == pytest.approx((reference.pvalue, interval.low, interval.high))
    assert pair.documents_se is None


def test_seeds_alone_do_not_count_how_items_vary() -> None:
    losses = np.random.default_rng(4).normal(2, 0.1, (2, 5, 7))
    alone = analyse("ab", losses, np.ones(7), units="test set").pairs[0]
    reference = stats.ttest_rel(*losses.mean(2))
    assert alone.p == pytest.approx(reference.pvalue)


def test_fixed_weights_are_a_paired_t_test_over_items() -> None:
    losses = np.random.default_rng(5).normal(2, 0.1, (2, 1, 30))
    pair = analyse("ab", losses, np.ones(30), fixed=True).pairs[0]
    reference = stats.ttest_rel(losses[0, 0], losses[1, 0])
    interval = reference.confidence_interval()
    assert (pair.p, pair.low, pair.high) == pytest.approx((reference.pvalue, interval.low, interval.high))
    assert pair.seeds_se is None


def test_fixed_weights_of_two_seeds_are_their_mean() -> None:
    losses = np.random.default_rng(6).normal(2, 0.1, (2, 2, 30))
    both = analyse("ab", losses, np.ones(30), fixed=True).pairs[0]
    mean = analyse("ab", losses.mean(1, keepdims=True), np.ones(30), fixed=True).pairs[0]
    assert (both.difference, both.p, both.low) == pytest.approx((mean.difference, mean.p, mean.low))


def test_one_seed_has_no_verdict_unless_its_weights_are_declared_fixed() -> None:
    losses = np.random.default_rng(7).normal(2, 0.1, (2, 1, 30))
    assert analyse("ab", losses, np.ones(30)).pairs[0].verdict == "none"
    assert analyse("ab", losses, np.ones(30), fixed=True).pairs[0].verdict != "none"


def test_two_models_with_seeds_of_their_own_are_compared_by_welchs_test() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(2, 0.1, 4), rng.normal(2.1, 0.3, 7)
    analysis = analyse_unpaired("ab", [a[:, None], b[:, None]], [1.0], units="test set")
    reference = stats.ttest_ind(a, b, equal_var=False)
    interval = reference.confidence_interval()
    pair = analysis.pairs[0]
    assert analysis.method == "Welch's t"
    assert (pair.p, pair.low, pair.high) == pytest.approx((reference.pvalue, interval.low, interval.high))


def test_unpaired_seeds_on_the_same_items_count_both_uncertainties() -> None:
    """A naive reference in plain loops: seeds by Welch, items by their mean differences, less what is in both."""
    rng = np.random.default_rng(9)
    own = [rng.normal(2, 0.1, (n, 1)) + rng.normal(0, 0.2, (1, 12)) + rng.normal(0, 0.05, (n, 12)) for n in (4, 6)]
    pair = analyse_unpaired("ab", own, np.ones(12)).pairs[0]
    seeds = sum(x.mean(1).var(ddof=1) / len(x) for x in own)
    items = (own[0].mean(0) - own[1].mean(0)).var(ddof=1) / 12
    both = 0.0
    for x in own:
        rest = x - x.mean(0) - x.mean(1, keepdims=True) + x.mean()
        both += (rest**2).sum() / (len(x) - 1) / 11 / len(x) / 12
    assert pair.seeds_se == pytest.approx(np.sqrt(seeds))
    assert pair.documents_se == pytest.approx(np.sqrt(items))
    assert pair.low is not None
    share, welch = seeds / (seeds + items - both), _welch(own)
    half = stats.t.ppf(0.975, 1 / (share / welch + (1 - share) / 11)) * np.sqrt(seeds + items - both)
    assert pair.difference - pair.low == pytest.approx(half)


def _welch(own: list[Array]) -> float:
    parts = [x.mean(1).var(ddof=1) / len(x) for x in own]
    return sum(parts) ** 2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, own, strict=True))


@pytest.mark.parametrize("wild", [1.0, pytest.param(6.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("models", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_equal_models_with_seeds_of_their_own_are_called_different_in_5_percent_of_studies(
    models: int, wild: float
) -> None:
    rng = np.random.default_rng([models, int(wild)])
    scales = np.array([*[1.0] * (models - 1), wild])
    numbers = [3 + 2 * (k % 3) for k in range(models)]

    def study() -> Analysis:
        nats = [2 + 0.02 * s * rng.standard_normal((n, 1)) for n, s in zip(numbers, scales, strict=True)]
        return analyse_unpaired(labels(models), nats, [1.0], units="test set")

    assert _errors(study) <= LIMIT


@pytest.mark.parametrize("items", [20, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("models", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_equal_weights_are_called_different_on_5_percent_of_test_sets(models: int, items: int) -> None:
    rng = np.random.default_rng([models, items])

    def study() -> Analysis:
        losses = 2 + 0.5 * rng.standard_normal(items) + 0.1 * rng.standard_normal((models, 1, items))
        losses[-1] += 0.3 * rng.standard_normal(items)
        return analyse(labels(models), losses, np.ones(items), fixed=True)

    assert _errors(study) <= LIMIT


def _errors(study) -> float:  # type: ignore[no-untyped-def]
    """Share of studies of equal models in which any pair is called different."""
    return float(np.mean([any(p.verdict in ("better", "worse") for p in study().pairs) for _ in range(STUDIES)]))


def test_seeds_of_their_own_are_equal_within_a_margin_too() -> None:
    nats = [np.array([[2.0], [2.01], [2.005], [1.995]]), np.array([[2.002], [2.008], [2.003]])]
    pair = analyse_unpaired("ab", nats, [1.0], units="test set", criterion=Criterion(margin=0.05)).pairs[0]
    assert pair.verdict == "equal"


@pytest.mark.parametrize("nats", [[np.ones((1, 3)), np.ones((4, 3))], [np.ones((3, 3)), np.ones((4, 2))]])
def test_a_single_seed_of_its_own_or_other_items_are_refused(nats: list[Array]) -> None:
    with pytest.raises(ValueError, match="two seeds or more"):
        analyse_unpaired("ab", nats, np.ones(3))
