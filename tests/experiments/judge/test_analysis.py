"""Verdicts err as rarely as promised, on simulated studies of known truth judged by the real `analyse`."""

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, signal, stats
from scipy.special import gamma

from studies.simulate import Draw, long_memory, settings, simulate, slow_part
from zoo.experiments.judge.analysis import Analysis, analyse
from zoo.experiments.judge.estimates import FEW_STRETCHES, FEWEST_STRETCHES, SPLIT_SEEDS
from zoo.experiments.judge.long_memory import variance_of_sum
from zoo.experiments.judge.long_memory import waves as waves_of
from zoo.experiments.judge.power import power, seeds_needed
from zoo.experiments.judge.seeds import split_in_two
from zoo.experiments.judge.tukey import critical_range, range_tail
from zoo.experiments.judge.uncertainty import Units

Array: TypeAlias = NDArray[np.float64]
Spread: TypeAlias = Callable[[int], Array]

STUDIES, FEWER = 2000, 800
DOCUMENTS = 40


def equal(models: int) -> Array:
    return np.ones(models)


def wild(models: int) -> Array:
    """Scales of models of which one scatters four times as much."""
    return np.array([*[1.0] * (models - 1), 4.0])


def doubling(models: int) -> Array:
    return 2.0 ** np.arange(models)


def nats_of(
    rng: np.random.Generator,
    sds: Array,
    seeds: int,
    *,
    shift: float = 0.0,
    correlated: bool = False,
    documents: float = 0.0,
    count: int = DOCUMENTS,
) -> tuple[Array, Array]:
    """Draw a study (K, n, D) of models with a true loss of 2, the first of them `shift` less.

    Hard seeds and hard documents are hard for all models. In addition a model scatters over the seeds, partly with the
    other models if `correlated`; and over the documents, as much as over the seeds where `documents` is 1.
    """
    own = rng.standard_normal((len(sds), seeds))
    if correlated:
        own = np.sqrt(0.1) * own + np.sqrt(0.9) * rng.standard_normal(seeds)
    losses = 2 + 0.02 * sds[:, None] * own + 0.1 * rng.standard_normal(seeds)
    losses[0] -= shift
    per_document = documents * 0.02 * np.sqrt(count / seeds) * rng.standard_normal((len(sds), 1, count))
    noise = 0.01 * rng.standard_normal((len(sds), seeds, count))
    tokens = rng.integers(3, 11, count).astype(float)
    return (losses[:, :, None] + 0.3 * rng.standard_normal(count) + per_document + noise) * tokens, tokens


def names(models: int) -> list[str]:
    return [f"m{place}" for place in range(models)]


def analyses(seed: int, sds: Array, seeds: int, studies: int = STUDIES, **truth: float) -> Iterator[Analysis]:
    rng = np.random.default_rng([seed, len(sds), seeds])
    for _ in range(studies):
        yield analyse(names(len(sds)), *nats_of(rng, sds, seeds, **truth))  # type: ignore[arg-type]


def simple(losses: Array, documents: int = 4) -> tuple[Array, Array]:
    """Make a study in which all documents have the losses (K, n), without variance over documents."""
    tokens = np.full(documents, 5.0)
    return losses[:, :, None] * tokens, tokens


def check_errors_and_coverage(sds: Array, seeds: int, studies: int = STUDIES, **truth: float) -> None:
    """Check that at most 5% of studies call copies different, and that 95% of intervals cover, within chance."""
    called, covered, means = [], [], []
    for analysis in analyses(0, sds, seeds, studies, **truth):
        called.append(any(pair.verdict in ("better", "worse") for pair in analysis.pairs))
        covered += [pair.low <= 0 <= pair.high for pair in analysis.pairs if not pair.withheld]  # type: ignore[operator]
        means += [own.low <= 2 <= own.high for own in analysis.estimates.values() if not own.withheld]  # type: ignore[operator]
    chance = 2.5 * np.sqrt(0.05 * 0.95 / studies)
    assert np.mean(called) <= 0.05 + chance
    assert abs(np.mean(covered) - 0.95) <= 0.015 + chance / 2
    assert abs(np.mean(means) - 0.95) <= 0.015 + chance


@pytest.mark.parametrize(
    ("models", "seeds", "spread", "truth"),
    [
        (2, 3, equal, {"correlated": False, "documents": 1.0}),
        (2, 3, wild, {"correlated": True, "documents": 1.0}),
        pytest.param(3, 3, equal, {"correlated": True, "documents": 0.0}, marks=pytest.mark.slow),
        (3, 3, wild, {"correlated": False, "documents": 1.0}),
        pytest.param(6, 3, wild, {"correlated": False, "documents": 0.0}, marks=pytest.mark.slow),
    ],
    ids=["2-equal", "2-wild-correlated", "3-equal-correlated", "3-wild", "6-wild"],
)
def test_copies_of_one_model_are_called_different_in_5_percent_of_studies_and_intervals_cover_95(
    models: int, seeds: int, spread: Spread, truth: dict[str, float]
) -> None:
    check_errors_and_coverage(spread(models), seeds, FEWER, **truth)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correlated", "documents"),
    [(False, 0.0), (True, 1.0)],
    ids=["apart", "correlated-and-documents"],
)
@pytest.mark.parametrize("spread", [equal, wild, doubling])
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("models", [3, 6, 9, 12])
def test_the_same_holds_for_up_to_12_models_and_10_seeds(
    models: int, seeds: int, spread: Spread, correlated: bool, documents: float
) -> None:
    check_errors_and_coverage(spread(models), seeds, FEWER, correlated=correlated, documents=documents)


@pytest.mark.parametrize("seeds", [3, 6])
def test_a_planted_difference_of_two_models_is_found_as_often_as_the_formula_says(seeds: int) -> None:
    variance = 2 * 0.02**2 + 2 * 0.01**2 / DOCUMENTS
    shift = 2.5 * np.sqrt(variance)
    found = np.mean([a.pairs[0].verdict == "better" for a in analyses(1, equal(2), seeds, FEWER, shift=shift)])
    expected = float(power(shift, seeds, seed_variance=variance))
    assert abs(found - expected) <= 2.5 * np.sqrt(expected * (1 - expected) / FEWER) + 0.01


def test_among_six_models_it_is_found_less_often_than_with_pooling_alone_and_more_often_than_without() -> None:
    studies, seeds, variance = 400, 5, 2 * 0.02**2
    shift = 0.06
    found = np.mean([a.pairs[0].verdict == "better" for a in analyses(2, equal(6), seeds, studies, shift=shift)])
    alone, pooled = (
        float(power(shift, seeds, seed_variance=variance, models=6, pooled=pooled)) for pooled in (False, True)
    )
    chance = 2 * np.sqrt(0.25 / studies)
    assert alone - chance <= found <= pooled + chance


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("models", [2, 5])
def test_the_seeds_needed_are_where_power_crosses_80_percent(models: int, pooled: bool) -> None:
    study = {"seed_variance": 1.0, "document_variance": 0.01, "documents": 200, "models": models, "pooled": pooled}
    difference = np.array([0.7, 1.2])
    needed = seeds_needed(difference, 3, **study)
    assert np.all(power(difference, needed, **study) >= 0.8)  # type: ignore[arg-type]
    assert np.all(power(difference, needed - 1, **study) < 0.8)  # type: ignore[arg-type]


def test_no_number_of_seeds_makes_up_for_too_few_documents() -> None:
    study = {"seed_variance": 0.01, "document_variance": 1.0, "documents": 200}
    assert seeds_needed(np.array([1.0]), 3, **study).tolist() == [0]


def test_power_is_scipys_noncentral_t() -> None:
    expected = stats.nct.sf(stats.t.ppf(0.975, 4), 4, np.sqrt(5))
    assert float(power(1.0, 5, seed_variance=1.0)) == pytest.approx(expected, abs=1e-4)
    assert float(power(100.0, 5, seed_variance=1.0)) == 1


@pytest.mark.parametrize(("q", "models", "freedom"), [(5.04, 3, 4), (4.0, 12, 22), (20.0, 12, 2), (5.0, 9, 500)])
def test_the_studentised_range_is_scipys(q: float, models: int, freedom: int) -> None:
    assert float(range_tail(q, models, freedom)) == pytest.approx(
        stats.studentized_range.sf(q, models, freedom), rel=1e-4
    )
    assert float(range_tail(critical_range(models, freedom), models, freedom)) == pytest.approx(0.05, abs=1e-4)


def test_two_models_are_compared_by_the_paired_t_test_where_documents_do_not_vary() -> None:
    losses = np.random.default_rng(3).normal(2, 0.1, (2, 5))
    pair = analyse("ab", *simple(losses)).pairs[0]
    reference = stats.ttest_rel(*losses)
    interval = reference.confidence_interval()
    assert (pair.p, pair.low, pair.high) == pytest.approx((reference.pvalue, interval.low, interval.high))


@pytest.fixture
def alike() -> Array:
    """Losses (4, 6) that scatter alike, those of the first model far lower."""
    losses = np.random.default_rng(12).normal(2, 0.02, (4, 6))
    losses[0] -= 0.05
    return losses


def test_models_that_scatter_alike_are_compared_by_tukeys_range_over_their_residuals(alike: Array) -> None:
    analysis = analyse("abcd", *simple(alike))
    assert analysis.method == "Tukey, pooled"
    residuals = alike - alike.mean(1, keepdims=True) - alike.mean(0) + alike.mean()
    error = np.sqrt((residuals**2).sum() / 15 / 6)
    for pair, (a, b) in zip(analysis.pairs, combinations(range(4), 2), strict=True):
        q = abs(alike[a].mean() - alike[b].mean()) / error
        family, own = stats.studentized_range.sf(q, 4, 15), stats.ttest_rel(alike[a], alike[b]).pvalue
        assert pair.p == pytest.approx(max(family, own), rel=1e-3)


def coefficients(values: list[float] | Array) -> list[float]:
    """Cosine coefficients of a series by plain loops; their squares estimate the variance of the sum."""
    count = len(values)
    return [
        np.sqrt(2) * sum(np.cos(np.pi * j * (place + 0.5) / count) * values[place] for place in range(count))
        for j in range(1, min(100, max(12, count // 4)) + 1)
    ]


def local_whittle(squares: list[float], count: int) -> float:
    """Robinson's (1995) unbounded estimate of d, from squared coefficients by plain loops."""
    frequencies = [np.pi * j / count for j in range(1, len(squares) + 1)]

    def contrast(d: float) -> float:
        level = sum(own * f ** (2 * d) for own, f in zip(squares, frequencies, strict=True)) / len(squares)
        return float(np.log(level) - 2 * d * sum(np.log(f) for f in frequencies) / len(squares))

    return float(optimize.minimize_scalar(contrast, bounds=(-1, 1.5), method="bounded", options={"xatol": 1e-6}).x)


def with_long_memory(values: list[float] | Array) -> float:
    """The variance of the sum of a series, from 12 waves and long memory (Robinson 2005)."""
    count, squares = len(values), [own**2 for own in coefficients(values)]
    waves = sum(squares[:12]) / 12
    d = min(max(local_whittle(squares, count) + 1 / np.sqrt(2 * len(squares)), 0), 0.45)
    d = round(d, 2)
    if d == 0:
        return waves
    level = sum(own * (np.pi * (j + 1) / count) ** (2 * d) for j, own in enumerate(squares[:12])) / 12
    at_mean = 2 * gamma(1 - 2 * d) * np.sin(np.pi * d) / (d * (1 + 2 * d)) / (2 * np.pi)
    return float(level * at_mean * count ** (2 * d))


def in_parts(nats: Array, tokens: Array, units: Units = "documents", inflation: float = 1.0) -> dict[str, float]:
    """The uncertainty of the difference of the first two means, by plain loops over seeds, documents and waves."""
    seeds, count, total = nats.shape[1], nats.shape[2], tokens.sum()
    gap = [sum(nats[0, s] - nats[1, s]) / total for s in range(seeds)]
    mean = sum(gap) / seeds
    nats_beyond = [[nats[0, s, d] - nats[1, s, d] - mean * tokens[d] for d in range(count)] for s in range(seeds)]
    by_document = [sum(nats_beyond[s][d] for s in range(seeds)) / seeds for d in range(count)]

    def independent(residuals: list[float]) -> float:
        return sum((residuals[d] / total) ** 2 / (1 - tokens[d] / total) for d in range(count))

    def slow(residuals: list[float]) -> float:
        return sum(own**2 for own in coefficients(residuals)[:12]) / 12 / total**2

    def series(residuals: list[float]) -> float:
        return with_long_memory(residuals) / total**2

    of_documents, of_both = (independent, independent) if units == "documents" else (series, slow)
    rest = [
        [nats_beyond[s][d] - (gap[s] - mean) * tokens[d] - by_document[d] for d in range(count)] for s in range(seeds)
    ]
    kish = total**2 / sum(tokens**2)
    freedom = kish - 1 if units == "documents" else 12
    parts = {
        "seeds": sum((g - mean) ** 2 for g in gap) / (seeds - 1) / seeds,
        "documents": inflation * of_documents(by_document),
        "both": inflation * sum(of_both(rest[s]) for s in range(seeds)) / seeds / (seeds - 1),
    }
    whole = parts["seeds"] + parts["documents"] - parts["both"]
    shared = 1 / (parts["seeds"] / whole / (seeds - 1) + (1 - parts["seeds"] / whole) / freedom)
    return parts | {
        "half": stats.t.ppf(0.975, shared) * np.sqrt(whole),
        "effective": min(kish, kish * inflation * independent(by_document) / parts["documents"]),
    }


@pytest.mark.parametrize("count", [40, 150, 500])
@pytest.mark.parametrize("d", [0.0, 0.2, 0.4])
def test_the_variance_of_a_series_is_that_of_its_waves_and_its_memory_taken_one_by_one(d: float, count: int) -> None:
    series = long_memory(d)(np.random.default_rng([25, count]), (3, count))
    found = variance_of_sum(waves_of(series), count)
    assert found == pytest.approx([with_long_memory(own) for own in series], rel=1e-6)
    assert np.all(found >= [sum(own**2 for own in coefficients(values)[:12]) / 12 * (1 - 1e-9) for values in series])


@pytest.mark.parametrize(
    ("effects", "most"),
    [(long_memory(0.0), 0.06), (long_memory(0.2), 0.07), (long_memory(0.4), 0.08), (slow_part(0.995, 0.8), 0.07)],
    ids=["independent", "d 0.2", "d 0.4", "white and slow"],
)
def test_a_series_that_remembers_far_misses_its_mean_no_more_often_than_promised(effects: Draw, most: float) -> None:
    drawn = effects(np.random.default_rng(26), (600, 3484))
    half = stats.t.ppf(0.975, 12) * np.sqrt(variance_of_sum(waves_of(drawn), 3484))
    assert np.mean(np.abs(drawn.sum(1)) > half) <= most


@pytest.mark.parametrize("inflation", [1.0, 2.5])
@pytest.mark.parametrize("units", ["documents", "series"])
@pytest.mark.parametrize("uneven", [False, True])
def test_an_interval_is_that_of_seeds_documents_and_their_interaction_added_up_one_by_one(
    units: Units, uneven: bool, inflation: float
) -> None:
    nats, tokens = nats_of(np.random.default_rng(5), equal(2), 4, documents=2.0, count=150)
    if uneven:
        longer = np.ceil(3 * np.random.default_rng(6).lognormal(0, 0.5, 150))
        nats, tokens = nats * longer, tokens * longer
    expected = in_parts(nats, tokens, units, inflation)
    (pair,) = analyse("ab", nats, tokens, units=units, inflation=inflation).pairs
    assert not pair.withheld
    assert pair.seeds_se == pytest.approx(np.sqrt(expected["seeds"]))
    assert pair.documents_se == pytest.approx(np.sqrt(expected["documents"]))
    assert pair.high is not None
    assert pair.high - pair.difference == pytest.approx(expected["half"])
    assert pair.effective == pytest.approx(expected["effective"])


def test_documents_of_even_length_are_the_plain_mean_and_standard_error() -> None:
    nats, _ = nats_of(np.random.default_rng(5), equal(2), 1, documents=1.0)
    (pair,) = analyse("ab", nats, np.full(DOCUMENTS, 6.0)).pairs
    gaps = (nats[0, 0] - nats[1, 0]) / 6
    assert (pair.difference, pair.documents_se) == pytest.approx((gaps.mean(), stats.sem(gaps)))
    assert pair.effective == pytest.approx(DOCUMENTS)


def test_a_constant_difference_is_judged_by_the_documents_alone() -> None:
    rng = np.random.default_rng(8)
    nats, tokens = nats_of(rng, equal(2), 4)
    gap = rng.normal(0.1, 0.3, DOCUMENTS)
    nats[1] = nats[0] + gap
    pair = analyse("ab", nats, tokens).pairs[0]
    expected = in_parts(nats, tokens)
    freedom = tokens.sum() ** 2 / (tokens**2).sum() - 1
    assert pair.seeds_se == 0
    assert pair.p == pytest.approx(2 * stats.t.sf(abs(pair.difference) / np.sqrt(expected["documents"]), freedom))


def test_sign_flips_are_counted_exactly_and_only_where_they_could_tell() -> None:
    gap = np.array([0.3, 0.1, 0.2, -0.05, 0.4, 0.25])
    losses = np.stack([2 + gap, np.full(6, 2.0)])
    flips = [np.abs(np.dot(signs, gap)) for signs in np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1).T]
    expected = np.mean(np.array(flips) >= gap.sum() - 1e-9)
    assert analyse("ab", *simple(losses)).pairs[0].p_permutation == pytest.approx(expected)
    assert analyse("ab", *simple(losses[:, :5])).pairs[0].p_permutation is None


@pytest.mark.parametrize("models", [2, 3])
def test_identical_results_are_undecided_with_p_1(models: int) -> None:
    nats, tokens = nats_of(np.random.default_rng(6), equal(models), 6, documents=1.0)
    nats[1] = nats[0]
    pair = analyse(names(models), nats, tokens).pairs[0]
    assert (pair.p, pair.p_permutation, pair.verdict, pair.seeds_needed) == (1.0, 1.0, "undecided", None)


def test_the_rounding_of_a_sum_is_no_difference() -> None:
    nats, tokens = nats_of(np.random.default_rng(7), equal(2), 5)
    nats[1] = nats[0] * (1 + 1e-15)
    pair = analyse("ab", nats, tokens).pairs[0]
    assert (pair.difference, pair.p, pair.verdict) == (0.0, 1.0, "undecided")


def test_a_difference_that_nothing_varies_is_certain() -> None:
    losses = np.array([[2.0, 2.1, 1.9], [2.5, 2.6, 2.4]])
    pair = analyse("ab", *simple(losses)).pairs[0]
    assert (pair.p, pair.verdict) == (0.0, "better")


def test_two_quiet_models_are_told_apart_beside_a_wild_one() -> None:
    losses = np.random.default_rng(9).normal(2, 0.001, (3, 8))
    losses[0] -= 0.01
    losses[2] = 2.5 + np.random.default_rng(10).normal(0, 0.5, 8)
    assert analyse("abc", *simple(losses)).pairs[0].verdict == "better"


def test_the_order_of_the_models_changes_only_signs(alike: Array) -> None:
    forth, back = analyse("abcd", *simple(alike)), analyse("dcba", *simple(alike[::-1]))
    mirrored = {(pair.b, pair.a): pair for pair in back.pairs}
    opposite = {"better": "worse", "worse": "better", "undecided": "undecided"}
    for pair in forth.pairs:
        other = mirrored[pair.a, pair.b]
        assert pair.difference == pytest.approx(-other.difference)
        assert (pair.low, pair.high, pair.p) == pytest.approx((-other.high, -other.low, other.p))  # type: ignore[operator]
        assert (pair.verdict, pair.seeds_needed) == (opposite[other.verdict], other.seeds_needed)
    assert forth.letters == back.letters


def test_a_hard_seed_is_hard_for_all_and_changes_no_pair(alike: Array) -> None:
    plain, hard = (analyse("abcd", *simple(alike + extra)) for extra in (0, np.arange(6) * 0.3))
    for pair, other in zip(plain.pairs, hard.pairs, strict=True):
        assert pair.p == pytest.approx(other.p)
        assert (pair.low, pair.high) == pytest.approx((other.low, other.high))
    assert plain.correlation is not None
    assert hard.correlation is not None
    assert hard.correlation > 0.99 > plain.correlation


def test_an_interval_of_a_decided_pair_never_contains_zero() -> None:
    decided = 0
    for analysis in analyses(11, wild(6), 3, 150, shift=0.1):
        for pair in analysis.pairs:
            if pair.verdict in ("better", "worse"):
                decided += 1
                assert pair.low is not None
                assert pair.high is not None
                assert pair.low > 0 or pair.high < 0
    assert decided > 50


def test_letters_say_which_pairs_are_undecided() -> None:
    for analysis in analyses(12, equal(5), 5, 50, shift=0.06):
        best = min(analysis.estimates, key=lambda label: analysis.estimates[label].mean)
        assert "a" in analysis.letters[best]
        for pair in analysis.pairs:
            shared = set(analysis.letters[pair.a]) & set(analysis.letters[pair.b])
            assert bool(shared) == (pair.verdict in ("undecided", "none"))


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_give_means_and_no_verdict(seeds: int) -> None:
    analysis = analyse("abc", *nats_of(np.random.default_rng(13), equal(3), seeds))
    pair, estimate = analysis.pairs[0], analysis.estimates["a"]
    assert (pair.verdict, pair.p, pair.low, pair.seeds_needed) == ("none", None, None, None)
    assert (estimate.low, estimate.seeds_se is None, analysis.method) == (None, seeds == 1, "none")
    assert estimate.documents_se is not None
    assert analysis.letters == {"a": "", "b": "", "c": ""}


def test_one_document_says_nothing_of_other_documents() -> None:
    analysis = analyse("abc", *nats_of(np.random.default_rng(14), equal(3), 4, count=1))
    assert analysis.pairs[0].documents_se is None
    assert (analysis.pairs[0].p, analysis.pairs[0].verdict) == (None, "none")


def test_one_model_has_an_estimate_and_no_pairs() -> None:
    analysis = analyse("a", *nats_of(np.random.default_rng(15), equal(1), 4))
    assert (analysis.pairs, analysis.letters) == ((), {"a": ""})
    assert analysis.estimates["a"].low is not None


def test_one_model_whose_seeds_are_split_in_two_is_told_of_without_a_pair() -> None:
    found = analyse(["one"], *simple(np.array([[2.0, 2.0001, 2.5]])))
    assert found.estimates["one"].withheld == SPLIT_SEEDS
    assert any("fall into two groups, where no t interval holds (one)" in caveat for caveat in found.caveats)


def test_one_stretch_of_a_stream_gives_a_mean_and_no_verdict() -> None:
    analysis = analyse("ab", *nats_of(np.random.default_rng(14), equal(2), 4, count=1), units="series")
    assert (analysis.pairs[0].documents_se, analysis.pairs[0].verdict, analysis.pairs[0].p) == (None, "none", None)


def waves(rng: np.random.Generator, count: int, alike: float) -> Array:
    """A stream (2, 3, D) of correlated stretches, on which the first model is better."""
    drawn = rng.standard_normal((2, count)) * np.array([1.0, *[np.sqrt(1 - alike**2)] * (count - 1)])
    losses = 2 + 0.001 * rng.standard_normal((2, 3, 1)) + 0.1 * signal.lfilter([1], [1, -alike], drawn)[:, None]
    losses[0] -= 1.0
    return losses


@pytest.mark.parametrize(("alike", "share"), [(0.0, 0.6), (0.5, 0.6), (0.9, 0.3)])
def test_stretches_that_are_like_their_neighbours_count_for_fewer(alike: float, share: float) -> None:
    """For an AR(1), at most a share (1 - r) / (1 + r), and not far less; less where it looks like long memory."""
    found = [
        analyse("ab", waves(np.random.default_rng([16, place]), 3000, alike), np.ones(3000), units="series")
        for place in range(9)
    ]
    counted = np.median([analysis.pairs[0].effective for analysis in found])
    true = 3000 * (1 - alike) / (1 + alike)
    assert share * true < counted <= 1.1 * true
    assert all(analysis.pairs[0].verdict == "better" for analysis in found if not analysis.pairs[0].withheld)
    assert sum(not analysis.pairs[0].withheld for analysis in found) > 4
    assert all("one stream" in " ".join(analysis.caveats) for analysis in found)


def test_a_stream_of_few_independent_stretches_has_no_interval_and_no_verdict_and_says_why() -> None:
    losses = waves(np.random.default_rng(17), 400, 0.98)
    analysis = analyse("ab", losses, np.ones(400), units="series")
    (pair,) = analysis.pairs
    assert pair.effective < FEWEST_STRETCHES
    assert (pair.withheld, pair.verdict) == (FEW_STRETCHES, "none")
    assert (pair.low, pair.p, pair.seeds_needed) == (None, None, None)
    assert analysis.letters == {"a": "", "b": ""}
    assert any("fewer than 50 independent stretches (a, b, a - b)" in sentence for sentence in analysis.caveats)
    assert analyse("ab", losses, np.ones(400)).pairs[0].verdict == "better"  # as independent documents: overconfident


def test_the_order_of_documents_changes_nothing_and_that_of_stretches_does() -> None:
    nats, tokens = waves(np.random.default_rng(18), 200, 0.8), np.arange(200) % 5 + 20.0
    mixed = np.random.default_rng(0).permutation(200)
    forth, back = (analyse("ab", nats * tokens, tokens), analyse("ab", (nats * tokens)[:, :, mixed], tokens[mixed]))
    assert forth.pairs[0].documents_se == pytest.approx(back.pairs[0].documents_se)
    in_order = analyse("ab", nats * tokens, tokens, units="series").pairs[0].documents_se
    out_of_order = analyse("ab", (nats * tokens)[:, :, mixed], tokens[mixed], units="series").pairs[0].documents_se
    assert in_order > 1.5 * out_of_order  # type: ignore[operator]


def test_documents_of_very_unequal_length_are_told_of() -> None:
    tokens = np.array([1000.0, *[10.0] * 30])
    nats = np.random.default_rng(19).normal(2, 0.1, (2, 4, 31)) * tokens
    (sentence,) = [own for own in analyse("ab", nats, tokens).caveats if "unequal length" in own]
    assert "31 documents" in sentence
    assert "about 2 of equal length" in sentence
    assert not any("unequal" in own for own in analyse("ab", nats / tokens, np.ones(31)).caveats)


def failing(seeds: int, failures: int, shift: float = -0.05) -> Array:
    """Losses (2, n): the second model fails under some seeds, and the first is better under the others."""
    losses = np.random.default_rng(20).normal(2, 0.002, (2, seeds))
    losses[0] += shift
    losses[1, :failures] += 2.0
    return losses


@pytest.mark.parametrize("seeds", [5, 8, 10])
def test_where_the_seeds_are_split_in_two_there_is_no_interval(seeds: int) -> None:
    analysis = analyse("ab", *simple(failing(seeds, 2)))
    (pair,) = analysis.pairs
    assert (pair.withheld, pair.low, pair.high) == (SPLIT_SEEDS, None, None)
    assert (analysis.estimates["a"].withheld, analysis.estimates["b"].withheld) == ("", SPLIT_SEEDS)
    assert any("the losses fall into two groups" in sentence for sentence in analysis.caveats)
    judged = analyse("ab", *simple(failing(seeds, 2)), word="items")
    assert any("the scores fall into two groups" in sentence for sentence in judged.caveats)
    assert not any("loss" in sentence or "document" in sentence for sentence in judged.caveats)


def test_split_seeds_get_a_verdict_only_where_sign_flips_can_reject_and_do() -> None:
    assert analyse("ab", *simple(failing(5, 2))).pairs[0].verdict == "none"
    two_groups = failing(9, 4, shift=-2.0)
    pair = analyse("ab", *simple(two_groups)).pairs[0]
    assert (pair.withheld, pair.verdict, pair.p_permutation) == (SPLIT_SEEDS, "better", 2 / 2**9)
    assert analyse("ab", *simple(failing(9, 2, shift=0.05))).pairs[0].verdict == "undecided"
    many = np.concatenate([two_groups, 4 + np.arange(5)[:, None] + two_groups[:1] * 0.1])
    assert analyse(names(7), *simple(many)).pairs[0].verdict == "none"  # 21 pairs: sign flips need 10 seeds


def test_a_model_that_fails_leaves_the_pairs_of_the_others_their_intervals() -> None:
    losses = np.concatenate([failing(6, 2), np.random.default_rng(21).normal(2.3, 0.002, (1, 6))])
    found = {(pair.a, pair.b): pair for pair in analyse("abc", *simple(losses)).pairs}
    assert [found[pair].withheld for pair in (("a", "b"), ("a", "c"), ("b", "c"))] == [SPLIT_SEEDS, "", SPLIT_SEEDS]
    assert (found["a", "c"].verdict, found["a", "b"].verdict) == ("better", "none")


@pytest.mark.parametrize("seeds", [3, 5, 10, 30])
def test_normal_seeds_are_taken_for_split_in_two_of_a_hundred(seeds: int) -> None:
    drawn = np.random.default_rng(22).standard_normal((10_000, seeds))
    assert split_in_two(drawn, 2, 0.0).mean() == pytest.approx(0.02, abs=0.004)
    assert split_in_two(drawn, 9, 0.0).mean() == pytest.approx(0.0025, abs=0.002)


def test_whether_seeds_are_split_depends_on_neither_scale_nor_sign_nor_order() -> None:
    drawn = np.random.default_rng(23).standard_t(2, (2000, 6))
    split = split_in_two(drawn, 2, 0.0)
    assert 50 < split.sum() < 1000
    assert np.array_equal(split, split_in_two(3 - 7 * drawn[:, ::-1], 2, 0.0))


def test_what_a_verdict_assumes_is_said_with_how_often_a_rare_failure_stays_unseen() -> None:
    for seeds, unseen in ((3, "51%"), (10, "11%")):
        assert unseen in analyse("ab", *nats_of(np.random.default_rng(24), equal(2), seeds)).caveats[0]
    assert analyse("ab", *nats_of(np.random.default_rng(24), equal(2), 2)).caveats == ()


WORST = [
    ("stream, 400 stretches, AR(1) 0.9", 2, 10),
    ("stream, 400 stretches, AR(1) 0.98", 2, 3),
    ("stream, 3484 stretches, AR(1) 0.98", 2, 3),
    ("stream, 3484 stretches, long memory d = 0.3", 2, 3),
    ("stream, 3484 stretches, white and AR(1) 0.995, 80% of the mean's variance", 2, 3),
    ("20 documents, lengths Pareto 1.1", 2, 5),
    ("200 documents, lengths lognormal 2", 6, 3),
    ("bimodal: a seed in five 50 deviations worse, all models", 2, 10),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "models", "seeds"), WORST, ids=[f"{name}-{k}-{n}" for name, k, n in WORST])
def test_in_the_worst_settings_of_the_simulations_the_error_is_5_percent_or_there_is_no_verdict(
    name: str, models: int, seeds: int
) -> None:
    (setting,) = [own for own in settings() if (own.name, own.models, own.seeds) == (name, models, seeds)]
    found = simulate(setting, studies=200)
    chance = 2.5 * np.sqrt(0.05 * 0.95 / found.studies)
    assert found.called <= 0.05 + chance
    assert found.pairs_missed <= 0.05 + chance
    if "400 stretches, AR(1) 0.98" in name:
        assert found.no_verdict > 0.95


GOOD = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("labels", "nats", "tokens", "message"),
    [
        ("ab", np.ones((2, 3)), np.ones(4), r"nats must be \(models, seeds, documents\)"),
        ("ab", GOOD, np.ones(3), r"tokens must be \(documents,\) = \(4,\), got \(3,\)"),
        ("abc", GOOD, np.ones(4), "labels must be 2 different names"),
        ("aa", GOOD, np.ones(4), "labels must be 2 different names"),
        ("ab", GOOD * np.nan, np.ones(4), "leave out the models that diverged"),
        ("ab", GOOD, np.zeros(4), "at least one target, got 0"),
    ],
)
def test_input_that_does_not_fit_is_refused_in_one_line(labels: str, nats: Array, tokens: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        analyse(labels, nats, tokens)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("tokens", [[100], [990, 5, 5], [900, 100]])
def test_one_document_that_is_nearly_all_gives_no_interval_and_no_verdict(tokens: list[int]) -> None:
    nats = np.random.default_rng(0).normal(2, 0.01, (2, 5, len(tokens))) * tokens
    nats[0] *= 2
    found = analyse(["a", "b"], nats, tokens)
    assert found.pairs[0].verdict == "none"
    assert found.pairs[0].low is None
    assert any("one document is all or nearly all" in caveat for caveat in found.caveats)
    assert any("one item is all" in caveat for caveat in analyse(["a", "b"], nats, tokens, word="items").caveats)


@pytest.mark.slow
def test_models_that_are_the_same_run_do_not_make_the_others_look_alike() -> None:
    """22 copies of one run beside 8 models: the median pair does not vary, and says nothing about the others."""
    draw, wrong, studies = np.random.default_rng(3), 0, 150
    for _ in range(studies):
        losses = 2 + 0.01 * draw.normal(size=(9, 3, 1))
        losses = np.concatenate([losses, np.repeat(losses[:1], 21, axis=0)])
        found = analyse([str(k) for k in range(30)], np.repeat(losses, 40, axis=2), np.ones(40))
        wrong += any(pair.verdict in ("better", "worse") for pair in found.pairs)
    assert wrong / studies < 0.09


@pytest.mark.parametrize("wrong", [{"units": "stream"}, {"inflation": 0.5}, {"inflation": math.nan}])
def test_units_and_inflations_that_there_are_not_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="units must be one of"):
        analyse(["a", "b"], np.ones((2, 3, 4)), np.ones(4), **wrong)


def test_losses_that_differ_as_float32_rounds_are_the_same() -> None:
    nats = np.random.default_rng(0).normal(2, 0.1, (1, 5, 40)).repeat(2, axis=0)
    nats[1] *= 1 + 3e-8
    assert analyse(["a", "b"], nats, np.ones(40)).pairs[0].verdict == "undecided"
