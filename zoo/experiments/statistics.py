"""Which model is better, and how surely: the models of a study, compared pair by pair.

Every model is trained under the same seeds and scored on the same documents, so a pair is judged by its differences.
Two things could have come out otherwise, and both count: the training, under new seeds, and the test split, of new
documents. Seeds and documents cross, so the variance of a mean is v_seeds + v_documents - v_interaction (the
interaction stands in both).

All pairs are one family: a difference that is none is called one in at most 5% of studies.

- Where the models scatter alike over the seeds, all pairs share one pooled variance and Tukey's studentised range.
  "Alike" is a Box's epsilon of the losses' covariance (John's test of sphericity) no less than equal scatter has.
- Elsewhere a pair keeps its own variance, at least the median pair's, with n - 1 degrees of freedom in Tukey's range;
  a tenth of the error pays for Holm's paired t tests, which see two quiet models beside a wild one.
- A verdict further needs that the pair's own 95% interval excludes zero, so that the two never contradict each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from zoo.experiments.letters import compact_letters
from zoo.experiments.studentized_range import LEVEL, Array, critical_range, range_tail
from zoo.experiments.uncertainty import Uncertainty, Units, shared_freedom, uncertainties

Verdict: TypeAlias = Literal["better", "worse", "undecided", "none"]

POWER = 0.8
HOLM_SHARE = 0.1
FEWEST_SEEDS, MOST_SEEDS = 3, 1000
EXACT_FLIPS = 16
ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A model's mean loss, nats a token, and its 95% interval."""

    mean: float
    low: float | None
    high: float | None
    seeds_se: float | None
    documents_se: float | None


@dataclass(frozen=True)
class Pair:
    """`a` against `b`: `p` allows for all pairs; the interval and the sign flips' `p_permutation` do not."""

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_permutation: float | None
    seeds_se: float | None
    documents_se: float | None
    verdict: Verdict
    seeds_needed: int | None


@dataclass(frozen=True)
class Analysis:
    """A study's models and all their pairs, how they were judged, and what the shared seeds brought."""

    estimates: dict[str, Estimate]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    method: str
    reason: str
    correlation: float | None


@dataclass(frozen=True)
class Family:
    """How all pairs were judged together: p (P,), and the uncertainty that a planned study would reckon with."""

    p: Array
    method: str
    reason: str
    planned: Uncertainty | None
    models: int


def analyse(
    labels: Sequence[str], nats: ArrayLike, tokens: ArrayLike, *, units: Units = "documents", inflation: float = 1.0
) -> Analysis:
    """Compare K models: nats (K, n, D), every document's summed loss under every seed; tokens (D,), its targets.

    Args:
        units: independent documents, or a series: the neighbouring stretches of one stream, in its order.
        inflation: of the documents' part of every variance and of the interaction's, where splits of one corpus overlap.

    Raises:
        ValueError: shapes that do not fit, labels that repeat, numbers that are not finite, documents without targets.
    """
    names, summed, counts = _checked(labels, nats, tokens)
    losses = summed.sum(2) / counts.sum()
    means, seeds = losses.mean(1), losses.shape[1]
    exact = ROUNDING * float(np.abs(losses).max())
    scatter = summed - means[:, None, None] * counts
    alone, paired = uncertainties(scatter, counts, units=units, inflation=inflation, exact=exact)
    estimates = {
        name: Estimate(mean, *(alone.interval(k, mean) if seeds >= FEWEST_SEEDS else (None, None)), *alone.standard_errors(k))
        for k, (name, mean) in enumerate(zip(names, means.tolist(), strict=True))
    }
    first, second = np.triu_indices(len(names), 1)
    by_seed = losses[first] - losses[second]
    by_seed[np.abs(by_seed) <= exact] = 0.0
    family = _family(losses, by_seed.mean(1), paired)
    pairs = _pairs([(names[a], names[b]) for a, b in zip(first, second, strict=True)], by_seed, paired, family)
    letters = dict.fromkeys(names, "")
    if family.planned:
        ranked = [names[k] for k in np.argsort(means, kind="stable")]
        letters |= compact_letters(ranked, [(pair.a, pair.b) for pair in pairs if pair.verdict != "undecided"])
    return Analysis(estimates, pairs, letters, family.method, family.reason, _correlation(losses))


def power(
    difference: ArrayLike,
    seeds: ArrayLike,
    *,
    seed_variance: ArrayLike,
    document_variance: ArrayLike = 0.0,
    documents: float = 2,
    models: int = 2,
    pooled: bool = False,
) -> Array:
    """The chance that a true difference is found: a noncentral t beyond Tukey's critical value for all pairs.

    Args:
        seed_variance: of the pair's difference under one seed.
        document_variance: of its mean over the documents, which more seeds do not lessen.
        pooled: the variance comes from all models, and so with (K - 1)(n - 1) degrees of freedom.
    """
    number = np.asarray(seeds, dtype=float)
    by_seeds, by_documents = np.broadcast_arrays(np.asarray(seed_variance) / number, np.asarray(document_variance))
    total = by_seeds + by_documents
    freedom = shared_freedom(by_seeds / total, (number - 1) * (models - 1 if pooled else 1), documents - 1)
    beyond = critical_range(models, freedom) / np.sqrt(2)
    shift = np.minimum(np.abs(difference) / np.sqrt(total), 30.0)
    return 1 - scipy.special.nctdtr(freedom, shift, beyond)


def seeds_needed(difference: Array, seeds: int, **study: Any) -> NDArray[np.int64]:
    """The least number above `seeds` with 80% power, other arguments as `power`'s; 0 where 1,000 would not do."""
    low, high = np.full(difference.shape, seeds), np.full(difference.shape, MOST_SEEDS)
    within = power(difference, high, **study) >= POWER
    while np.any(high - low > 1):
        middle = (low + high) // 2
        enough = power(difference, middle, **study) >= POWER
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(within, high, 0)


def _checked(labels: Sequence[str], nats: ArrayLike, tokens: ArrayLike) -> tuple[list[str], Array, Array]:
    names, summed, counts = list(labels), np.asarray(nats, dtype=float), np.asarray(tokens, dtype=float)
    if summed.ndim != 3 or 0 in summed.shape:
        raise ValueError(f"nats must be (models, seeds, documents), none of them 0; got {summed.shape}")
    if counts.shape != summed.shape[2:]:
        raise ValueError(f"tokens must be (documents,) = {summed.shape[2:]}, got {counts.shape}")
    if len(names) != len(summed) or len(set(names)) < len(names):
        raise ValueError(f"labels must be {len(summed)} different names, got {names}")
    if not np.isfinite(summed).all():
        raise ValueError("nats must be finite: leave out the models that diverged")
    if not (np.isfinite(counts).all() and counts.min() >= 1):
        raise ValueError(f"every document needs at least one target, got {counts.min():g}")
    return names, summed, counts


def _family(losses: Array, differences: Array, paired: Uncertainty) -> Family:
    """Every pair's p, adjusted for all pairs, from the losses (K, n) and the pairs' differences (P,)."""
    models, seeds = losses.shape
    if models < 2 or seeds < FEWEST_SEEDS:
        few = f"With fewer than {FEWEST_SEEDS} seeds a difference cannot be told from chance."
        reason = few if models > 1 else "There is only one model."
        return Family(np.ones_like(differences), "none", reason, None, models)
    t = paired.studentised(differences)
    own = 2 * scipy.special.stdtr(paired.freedom, -t)
    if models == 2:
        return Family(own, "paired t", "Two models are one pair: nothing else to allow for.", paired, models)
    epsilon, alike, variance = _sphericity(losses)
    found = f"(Box's epsilon {epsilon:.2f}, where equal scatter has about {alike:.2f})"
    if epsilon >= alike:
        pooled = np.full_like(differences, 2 * variance / seeds)
        planned = replace(paired, seeds=pooled, seeds_freedom=(models - 1) * (seeds - 1))
        p = np.maximum(own, _tail(planned, differences, models))
        reason = f"The models scatter alike over the seeds {found}: all pairs share one variance."
        return Family(np.minimum(p, 1), "Tukey, pooled", reason, planned, models)
    planned = replace(paired, seeds=np.maximum(paired.seeds, np.median(paired.seeds)))
    ranged = _tail(planned, differences, models) / (1 - HOLM_SHARE)
    p = np.maximum(own, np.minimum(ranged, _holm(_tail(paired, differences, 2)) / HOLM_SHARE))
    reason = f"The models may scatter unlike {found}: pairs keep their own variance, at least the median pair's."
    return Family(np.minimum(p, 1), "Tukey and Holm, own variances", reason, planned, models)


def _sphericity(losses: Array) -> tuple[float, float, float]:
    """Box's epsilon of the losses (K, n); what it is if the models scatter alike; the models' pooled variance."""
    contrasts, freedom = losses.shape[0] - 1, losses.shape[1] - 1
    centred = losses - losses.mean(1, keepdims=True)
    centred = centred - centred.mean(0)
    covariance = centred @ centred.T / freedom
    trace, squares = float(covariance.trace()), float((covariance**2).sum())
    alike = (contrasts * freedom + 2) / (contrasts * (contrasts + freedom + 1))
    return trace**2 / (contrasts * squares) if squares else 1.0, alike, trace / contrasts


def _tail(uncertainty: Uncertainty, differences: Array, models: int) -> Array:
    """The chance that some pair of K equal models differs as much."""
    q = np.sqrt(2) * uncertainty.studentised(differences)
    share, rest_freedom = uncertainty.seeds_share, uncertainty.documents_freedom
    return range_tail(q, models, uncertainty.seeds_freedom, share=share, rest_freedom=rest_freedom)


def _holm(p: Array) -> Array:
    """Adjusted p-values, not yet cut at 1."""
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return adjusted


def _pairs(names: list[tuple[str, str]], by_seed: Array, paired: Uncertainty, family: Family) -> tuple[Pair, ...]:
    """Every pair with its verdict, from the differences under every seed (P, n)."""
    differences = by_seed.mean(1)
    judged = family.planned is not None
    flipped = _sign_flips(by_seed)
    needed = _planned_seeds(differences, by_seed.shape[1], family)
    pairs = []
    for i, ((a, b), difference, p) in enumerate(zip(names, differences.tolist(), family.p.tolist(), strict=True)):
        low, high = paired.interval(i, difference) if by_seed.shape[1] >= FEWEST_SEEDS else (None, None)
        seeds_se, documents_se = paired.standard_errors(i)
        found: Verdict = "better" if difference < 0 else "worse"
        pairs.append(
            Pair(
                a=a,
                b=b,
                difference=difference,
                low=low,
                high=high,
                p=p if judged else None,
                p_permutation=None if flipped is None else float(flipped[i]),
                seeds_se=seeds_se,
                documents_se=documents_se,
                verdict="none" if not judged else found if p < LEVEL else "undecided",
                seeds_needed=max(int(needed[i]), by_seed.shape[1] + 1) if p >= LEVEL and needed[i] else None,
            )
        )
    return tuple(pairs)


def _planned_seeds(differences: Array, seeds: int, family: Family) -> NDArray[np.int64]:
    """For every pair the seeds that would do if the difference is what it seems; 0 where none would."""
    needed = np.zeros(differences.shape, dtype=np.int64)
    if family.planned is None:
        return needed
    planned, models = family.planned, family.models
    open_ = (family.p >= LEVEL) & (differences != 0)
    if open_.any():
        needed[open_] = seeds_needed(
            differences[open_],
            seeds,
            seed_variance=planned.seeds[open_] * seeds,
            document_variance=np.maximum(planned.documents - planned.interaction, 0)[open_],
            documents=planned.documents_freedom + 1,
            models=models,
            pooled=planned.seeds_freedom > seeds - 1,
        )
    return needed


def _sign_flips(by_seed: Array) -> Array | None:
    """The share of all sign flips of the seeds' differences (P, n) whose mean is as far from zero; two-sided."""
    seeds = by_seed.shape[1]
    if 2 / 2**seeds > LEVEL:
        return None
    sums = np.abs(by_seed @ _flips(seeds))
    return (sums >= sums[:, :1] * (1 - ROUNDING)).mean(1)


@lru_cache
def _flips(seeds: int) -> Array:
    """(n, 2^(n - 1)): none flipped first; of a flip and its mirror image one; a sample where they are too many."""
    if seeds <= EXACT_FLIPS:
        return np.array([(1, *rest) for rest in product((1, -1), repeat=seeds - 1)], dtype=float).T
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(seeds, 2 ** (EXACT_FLIPS - 1)))
    signs[:, 0] = 1
    return signs


def _correlation(losses: Array) -> float | None:
    """The mean correlation over the seeds of two models' losses (K, n): what sharing the seeds brought."""
    varying = losses[np.ptp(losses, axis=1) > ROUNDING * np.abs(losses).max()]
    if len(varying) < 2 or losses.shape[1] < FEWEST_SEEDS:
        return None
    return float(np.corrcoef(varying)[np.triu_indices(len(varying), 1)].mean())
