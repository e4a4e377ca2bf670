"""Compare the models of a study pair by pair: which is better, and how certainly.

Every model is trained under the same seeds and scored on the same documents, so a pair is judged by its differences.
Two uncertainties count: new seeds, and new documents of the test split (`uncertainty.py`). All pairs are one family
(`family.py`). A t interval assumes roughly normal scatter over the seeds, and enough documents: where the numbers show
otherwise it is withheld (`seeds.py`). Caveats state the assumptions of every verdict (`caveats.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.experiments.judge.caveats import collect_caveats
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.estimates import (
    FEW_DOCUMENTS,
    FEW_STRETCHES,
    FEWEST_DOCUMENTS,
    FEWEST_STRETCHES,
    SPLIT_SEEDS,
    Estimate,
    Pair,
)
from zoo.experiments.judge.family import FEWEST_SEEDS, Family, judge, judge_contrasts, judge_fixed
from zoo.experiments.judge.letters import compact_letters
from zoo.experiments.judge.pairs import find_intervals, judge_pairs
from zoo.experiments.judge.seeds import ROUNDING, split_in_two
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Uncertainty, Units, pair_weights, uncertainties

USUAL = Criterion()
SAME = 1e-7
"""Largest relative difference of two losses that count as equal: the rounding of float32."""


@dataclass(frozen=True)
class Analysis:
    """The estimates of a study's models, the verdicts on all pairs, and the method with its reason.

    `correlation`: mean correlation of two models' losses over the seeds; `caveats`: the assumptions, a sentence each;
    `family`: the joint judgement, None for exact methods.
    """

    estimates: dict[str, Estimate]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    method: str
    reason: str
    correlation: float | None
    caveats: tuple[str, ...]
    family: Family | None = None


def analyse(
    labels: Sequence[str],
    nats: ArrayLike,
    tokens: ArrayLike,
    *,
    units: Units = "documents",
    inflation: float = 1.0,
    criterion: Criterion = USUAL,
    fixed: bool = False,
    word: str = "documents",
    baseline: str | None = None,
) -> Analysis:
    """Compare K models over n seeds and D documents.

    Args:
        labels: K different names.
        nats: (K, n, D) summed loss of every document under every seed.
        tokens: (D,) number of targets of every document.
        units: independent documents; a series: the neighbouring stretches of one stream, in its order; or a test set,
            which is not taken for a sample, so that seeds alone count.
        inflation: factor of the documents' and of the interaction's variance, for splits that overlap.
        criterion: error rate, and margin of equality.
        fixed: judge these weights: average over the seeds, and count new documents alone.
        word: what documents are called in caveats.
        baseline: one of the labels: only the differences of the others from it are judged, all of them together, by
            simultaneous intervals.

    Raises:
        ValueError: shapes do not fit, labels repeat, a number is not finite, a document has no targets, the units are
            unknown, or the inflation is below 1.
    """
    if units not in get_args(Units) or not 1 <= inflation < np.inf:
        raise ValueError(
            f"units must be one of {get_args(Units)}, and inflation at least 1; got {units} and {inflation}"
        )
    names, summed, counts = _checked(labels, nats, tokens)
    if fixed:
        summed = summed.mean(1, keepdims=True)
    losses = summed.sum(2) / counts.sum()
    means = losses.mean(1)
    exact = ROUNDING * float(np.abs(losses).max())
    weights = pair_weights(len(names), None if baseline is None else names.index(baseline))
    alone, paired = uncertainties(
        summed, counts, means=means, units=units, inflation=inflation, exact=exact, weights=weights
    )
    if fixed:
        alone, paired = replace(alone, fixed=True), replace(paired, fixed=True)
    by_seed = weights @ losses
    by_seed[np.abs(by_seed) <= SAME * np.abs(losses).max()] = 0.0
    if fixed:
        family = judge_fixed(by_seed[:, 0], paired, len(names))
    else:
        family = judge(losses, by_seed.mean(1), paired, weights, baseline=baseline is not None)
    withheld = (
        withhold(own, split_in_two(samples, len(names), exact), units)
        for samples, own in ((losses, alone), (by_seed, paired))
    )
    return conclude(
        names, means, alone, by_seed, paired, family, *withheld, tokens=counts, units=units, criterion=criterion,
        correlation=_correlation(losses), word=word, baseline=baseline,
    )  # fmt: skip


@dataclass(frozen=True)
class JudgedContrast:
    """The mean of a contrast of models, with its simultaneous interval and adjusted p; None where withheld."""

    mean: float
    low: float | None
    high: float | None
    p: float | None


def find_contrasts_of(
    nats: ArrayLike,
    tokens: ArrayLike,
    weights: Array,
    *,
    units: Units = "documents",
    inflation: float = 1.0,
    level: float = 0.05,
) -> list[JudgedContrast]:
    """Judge M contrasts of K models, such as the interaction of two changes, all of them together by Bonferroni.

    Args:
        nats, tokens, units, inflation: as for `analyse`.
        weights: (M, K); every row adds up to 0.
        level: error of all contrasts together.
    """
    summed, counts = np.asarray(nats, dtype=float), np.asarray(tokens, dtype=float)
    losses = summed.sum(2) / counts.sum()
    exact = ROUNDING * float(np.abs(losses).max())
    _, paired = uncertainties(
        summed, counts, means=losses.mean(1), units=units, inflation=inflation, exact=exact, weights=weights
    )
    by_seed = weights @ losses
    by_seed[np.abs(by_seed) <= SAME * np.abs(losses).max()] = 0.0
    means = by_seed.mean(1)
    if losses.shape[1] < FEWEST_SEEDS:
        return [JudgedContrast(mean, None, None, None) for mean in means.tolist()]
    family = judge_contrasts(losses, means, weights, paired)
    halves = family.half_widths(level)
    withheld = withhold(paired, split_in_two(by_seed, len(losses), exact), units)
    return [
        JudgedContrast(mean, None, None, None) if why else JudgedContrast(mean, mean - half, mean + half, p)
        for mean, half, p, why in zip(means.tolist(), halves.tolist(), family.p.tolist(), withheld, strict=True)
    ]


def conclude(
    names: Sequence[str],
    means: Array,
    alone: Uncertainty,
    by_seed: Array,
    paired: Uncertainty,
    family: Family,
    means_withheld: Sequence[str],
    pairs_withheld: Sequence[str],
    *,
    tokens: Array,
    units: Units,
    criterion: Criterion,
    correlation: float | None = None,
    word: str = "documents",
    baseline: str | None = None,
) -> Analysis:
    """Put estimates, verdicts and caveats together.

    Args:
        means: (K,) mean losses.
        alone, paired: uncertainties of the means, and of the differences of all pairs.
        by_seed: (P, n) differences of every pair under every seed; n = 1 where seeds are not paired.
        means_withheld, pairs_withheld: reason for every mean and pair to have no interval, or "".
        baseline: the second model of every pair; None: all pairs.
    """
    estimates = _estimates(names, means, alone, means_withheld, criterion.level)
    labelled = list(combinations(names, 2)) if baseline is None else [(a, baseline) for a in names if a != baseline]
    pairs = judge_pairs(labelled, by_seed, paired, family, pairs_withheld, criterion, joint=baseline is not None)
    ranked = [names[k] for k in np.argsort(means, kind="stable")]
    return Analysis(
        estimates,
        pairs,
        letters_of(ranked, pairs) if baseline is None else dict.fromkeys(ranked, ""),
        family.method,
        family.reason,
        correlation,
        collect_caveats(
            estimates,
            pairs,
            seeds=round(alone.fewest_seeds),
            tokens=tokens,
            units=units,
            level=criterion.level,
            word=word,
            fixed=alone.fixed,
        ),
        family,
    )


def withhold(uncertainty: Uncertainty, split: Sequence[bool] | NDArray[np.bool_], units: Units) -> list[str]:
    """The reason for every mean or pair to have no interval, or "": too few documents or stretches, or split seeds."""
    enough = {
        "documents": uncertainty.effective >= FEWEST_DOCUMENTS,
        "series": uncertainty.seen >= FEWEST_STRETCHES,
        "test set": np.ones(len(split), dtype=bool),
    }[units]
    few = FEW_STRETCHES if units == "series" else FEW_DOCUMENTS
    return ["" if e and not s else SPLIT_SEEDS if e else few for e, s in zip(enough, split, strict=True)]


def _checked(labels: Sequence[str], nats: ArrayLike, tokens: ArrayLike) -> tuple[list[str], Array, Array]:
    names, summed, counts = list(labels), np.asarray(nats, dtype=float), np.asarray(tokens, dtype=float)
    if summed.ndim != 3 or 0 in summed.shape:
        raise ValueError(f"nats must be (models, seeds, documents), none of them 0; got {summed.shape}")
    if counts.shape != summed.shape[2:]:
        raise ValueError(f"tokens must be (documents,) = {summed.shape[2:]}, got {counts.shape}")
    if len(names) != len(summed) or len(set(names)) < len(names):
        raise ValueError(f"labels must be {len(summed)} different names, got {names}")
    if not np.isfinite(summed.sum(2)).all():
        raise ValueError("nats must be finite: leave out the models that diverged")
    if not (np.isfinite(counts).all() and counts.min() >= 1):
        raise ValueError(f"every document needs at least one target, got {counts.min():g}")
    return names, summed, counts


def _estimates(
    names: Sequence[str], means: Array, uncertainty: Uncertainty, withheld: Sequence[str], level: float
) -> dict[str, Estimate]:
    estimates = {}
    intervals = find_intervals(uncertainty, means, withheld, level)
    for k, (name, mean, why) in enumerate(zip(names, means.tolist(), withheld, strict=True)):
        low, high = intervals[k]
        effective = float(uncertainty.effective[k])
        estimates[name] = Estimate(mean, low, high, *uncertainty.standard_errors(k), effective, why)
    return estimates


def letters_of(ranked: Sequence[str], pairs: Sequence[Pair]) -> dict[str, str]:
    """The letters of every model; empty where no pair has a verdict, because a shared letter would look like one."""
    if all(pair.verdict == "none" for pair in pairs):
        return dict.fromkeys(ranked, "")
    return compact_letters(ranked, [(pair.a, pair.b) for pair in pairs if pair.verdict in ("better", "worse")])


def _correlation(losses: Array) -> float | None:
    """Mean correlation of two models' losses over the seeds, from the losses (K, n); None where it is undefined."""
    varying = losses[np.ptp(losses, axis=1) > ROUNDING * np.abs(losses).max()]
    if len(varying) < 2 or losses.shape[1] < FEWEST_SEEDS:
        return None
    return float(np.corrcoef(varying)[np.triu_indices(len(varying), 1)].mean())
