"""Judge all pairs as one family: in at most 5% of studies any pair of equal models is called different.

- Where the models scatter alike over the seeds, all pairs share one pooled variance and Tukey's studentised range.
  "Alike": Box's epsilon of the losses' covariance (John's test of sphericity) is at least that of equal scatter.
- Elsewhere a pair keeps its own variance, at least the median pair's, with n - 1 degrees of freedom in Tukey's range;
  a tenth of the error goes to paired t tests (Bonferroni), which find two quiet models beside a wild one.
- With few documents or splits, estimated variances of pairs are uncertain, and the smallest of many is far too small:
  in the range each pair's variance over documents is at least the median pair's too.
- Models that do not vary over the seeds, as models of counts, scatter like no others. They take no part in what the
  others share: a pair with one keeps its own variance over the seeds, and a pair of two has none.
- Against a baseline, the range is Dunnett's: only the distances of the others from it count.
- A verdict also requires that the pair's own interval excludes zero, so the two never contradict each other.

Tests and simultaneous intervals are one rule: a pair's p is the least level at which its interval excludes zero.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from zoo.experiments.judge.power import seeds_needed
from zoo.experiments.judge.seeds import ROUNDING
from zoo.experiments.judge.tukey import Array, critical_range, range_tail, solve_tail
from zoo.experiments.judge.uncertainty import Uncertainty

FEWEST_SEEDS = 3
FEWEST_VARYING = 3
"""Least number of models that vary over the seeds for a test of whether they scatter alike."""
OWN_SHARE = 0.1
"""Share of the error that goes to each pair's own t test where models scatter unlike."""
HALVINGS = 22
FEW_DOCUMENTS = 100
"""Degrees of freedom below which documents are few: at 30 some pair of 12 equal models was called different in 9%
of studies."""


@dataclass(frozen=True)
class Family:
    """The joint judgement of all P pairs: adjusted p (P,), and the uncertainty for planning another study.

    `paired`: every pair's own uncertainty; `ranging`: that in Tukey's range, None for two models; `share`: share of the
    error that goes to the pairs' own t tests; `seeds`: number of seeds, 0 where none count; `pooled`: whether all pairs
    share one variance over the seeds; `baseline`: whether pairs are those with one model; `tests`: number of contrasts
    among which the error is divided.
    """

    p: Array
    method: str
    reason: str
    paired: Uncertainty
    planned: Uncertainty | None
    models: int
    ranging: Uncertainty | None = None
    share: float = 0.0
    seeds: int = 0
    pooled: bool = False
    baseline: bool = False
    tests: int = 1

    def half_widths(self, level: float) -> Array:
        """(P,) half of the width of every pair's simultaneous interval: all hold together but for `level`."""
        own = self.paired.half_widths(level)
        if self.ranging is None:
            return own
        joint = _ranging_half_widths(
            self.ranging, self.models, level * (1 - self.share) / self.tests, baseline=self.baseline
        )
        if self.share:
            joint = np.minimum(joint, _ranging_half_widths(self.paired, 2, level * self.share / len(own)))
        return np.maximum(own, joint)


def judge(losses: Array, differences: Array, paired: Uncertainty, weights: Array, *, baseline: bool = False) -> Family:
    """Compute the adjusted p of every pair from the losses (K, n) and the pairs' mean differences (P,).

    Args:
        weights: (P, K) of the pairs.
        baseline: the pairs are those of all others with one model.
    """
    models, seeds = losses.shape
    if models < 2 or seeds < FEWEST_SEEDS:
        few = f"With fewer than {FEWEST_SEEDS} seeds a difference cannot be told from chance."
        reason = few if models > 1 else "There is only one model."
        return Family(np.ones_like(differences), "none", reason, paired, None, models)
    if models == 2:
        return _judge_two("paired t", differences, paired, seeds)
    varies = find_varying(losses)
    if varies.sum() < min(models, FEWEST_VARYING):
        reason = (
            "Too few models vary over the seeds to share a variance: pairs keep their own, at least the median pair's."
        )
        return _judge_own(reason, differences, paired, models, seeds, baseline=baseline)
    epsilon, alike, variance = _sphericity(losses[varies])
    found = f"(Box's epsilon {epsilon:.2f}, where equal scatter has about {alike:.2f})"
    if epsilon >= alike:
        pooled, freedom = _pool(paired, weights, varies, variance, seeds)
        ranging = replace(_raise_to_median(paired), seeds=pooled, seeds_freedom=freedom)
        p = np.maximum(_own_tail(paired, differences), _tail(ranging, differences, models, baseline=baseline))
        all_ = "all pairs" if varies.all() else "pairs of two that vary at all"
        reason = f"The models scatter alike over the seeds {found}: {all_} share one variance."
        method = "Dunnett, pooled" if baseline else "Tukey, pooled"
        return Family(
            np.minimum(p, 1), method, reason, paired, ranging, models, ranging, seeds=seeds, pooled=True,
            baseline=baseline,
        )  # fmt: skip
    reason = f"The models may scatter unlike {found}: pairs keep their own variance, at least the median pair's."
    return _judge_own(reason, differences, paired, models, seeds, baseline=baseline)


def judge_contrasts(losses: Array, contrasts: Array, weights: Array, paired: Uncertainty) -> Family:
    """Compute the p of M contrasts of the models, adjusted by Bonferroni, from the losses (K, n).

    Args:
        contrasts: (M,) means of the contrasts.
        weights: (M, K) of the contrasts.
        paired: their uncertainty.
    """
    epsilon, alike, variance = _sphericity(losses)
    seeds, models, tests = losses.shape[1], len(losses), len(contrasts)
    ranging, pooled = _raise_to_median(paired), bool(epsilon >= alike and find_varying(losses).all())
    if pooled:
        shared = (weights**2).sum(1) * variance / seeds
        ranging = replace(ranging, seeds=shared, seeds_freedom=(models - 1) * (seeds - 1))
    p = np.maximum(_own_tail(paired, contrasts), tests * _tail(ranging, contrasts, 2))
    method = f"Bonferroni, {'pooled' if pooled else 'own variances'}"
    return Family(np.minimum(p, 1), method, "", paired, ranging, 2, ranging, seeds=seeds, pooled=pooled, tests=tests)


def judge_fixed(differences: Array, paired: Uncertainty, models: int) -> Family:
    """Compute the adjusted p of every pair of fixed weights, from their differences on the same documents (P,)."""
    if models == 2:
        return _judge_two("paired t over documents", differences, paired, 0)
    reason = "The weights are fixed: pairs are compared document by document, each with its own variance."
    return _judge_own(reason, differences, paired, models, 0)


def judge_unpaired(differences: Array, paired: Uncertainty, models: int, seeds: int) -> Family:
    """Compute the adjusted p of every pair whose models have seeds of their own; `seeds`: the least number of any."""
    if models == 2:
        return _judge_two("Welch's t", differences, paired, seeds)
    reason = "The seeds are not paired: pairs have their own variance (Welch), at least the median pair's."
    return _judge_own(reason, differences, paired, models, seeds)


def _judge_two(method: str, differences: Array, paired: Uncertainty, seeds: int) -> Family:
    reason = "Two models are one pair: nothing else to allow for."
    return Family(_own_tail(paired, differences), method, reason, paired, paired, 2, seeds=seeds)


def _judge_own(
    reason: str, differences: Array, paired: Uncertainty, models: int, seeds: int, *, baseline: bool = False
) -> Family:
    """Judge pairs that keep their own variance over the seeds, at least the median pair's."""
    own, ranging = _own_tail(paired, differences), _raise_to_median(paired)
    ranging = replace(ranging, seeds=_at_least_median(paired.seeds))
    ranged = _tail(ranging, differences, models, baseline=baseline) / (1 - OWN_SHARE)
    alone = len(own) * _tail(paired, differences, 2) / OWN_SHARE  # far in the tail, where `own` would err
    p = np.maximum(own, np.minimum(ranged, alone))
    method = f"{'Dunnett' if baseline else 'Tukey'} and Bonferroni, own variances"
    return Family(
        np.minimum(p, 1), method, reason, paired, ranging, models, ranging, OWN_SHARE, seeds, baseline=baseline
    )


def _own_tail(paired: Uncertainty, differences: Array) -> Array:
    """Two-sided p of every pair alone."""
    tail: Array = 2 * scipy.special.stdtr(paired.freedom, -paired.studentised(differences))
    return tail


def _ranging_half_widths(uncertainty: Uncertainty, models: int, level: float, *, baseline: bool = False) -> Array:
    """(P,) half of the width of intervals by Tukey's range."""
    error = np.sqrt(uncertainty.total)
    guess = critical_range(models, uncertainty.freedom, level) / np.sqrt(2)
    units = solve_tail(
        lambda t: _tail(uncertainty, t * error, models, baseline=baseline), level, guess / 4, guess * 4, HALVINGS
    )
    return units * error


def _raise_to_median(paired: Uncertainty) -> Uncertainty:
    """Raise every pair's variance over few documents, without the interaction, to at least the median pair's."""
    if paired.documents_freedom >= FEW_DOCUMENTS:
        return paired
    own = np.maximum(paired.documents - paired.interaction, 0)
    return replace(paired, documents=paired.interaction + np.maximum(own, _median(own[paired.documents > 0])))


def find_varying(losses: Array) -> NDArray[np.bool_]:
    """(K,) whether the losses (K, n) of each model differ between any seeds by more than rounding."""
    varies: NDArray[np.bool_] = np.ptp(losses, axis=1) > ROUNDING * np.abs(losses).max()
    return varies


def _pool(
    paired: Uncertainty, weights: Array, varies: NDArray[np.bool_], variance: float, seeds: int
) -> tuple[Array, float | Array]:
    """The variance over the seeds of pairs (P,), with its degrees of freedom: shared where both models vary."""
    both = np.abs(weights) @ varies == 2
    freedom = float((varies.sum() - 1) * (seeds - 1))
    if both.all():
        return np.full(len(weights), 2 * variance / seeds), freedom
    own = np.zeros(len(weights))
    own[~both] = _at_least_median(paired.seeds[~both])  # what all seeds have in common is in these differences
    return np.where(both, 2 * variance / seeds, own), np.where(both, freedom, seeds - 1.0)


def _at_least_median(variances: Array) -> Array:
    """Raise the variances of pairs that vary to at least the median of them; one of 0 is of two models of counts."""
    return np.where(variances > 0, np.maximum(variances, _median(variances[variances > 0])), 0.0)


def _median(varying: Array) -> float:
    """The median variance of the pairs that vary, or 0; two equal runs make a pair that does not vary."""
    return float(np.median(varying)) if len(varying) else 0.0


def _sphericity(losses: Array) -> tuple[float, float, float]:
    """Box's epsilon of the losses (K, n), its value for models that scatter alike, and the models' pooled variance."""
    contrasts, freedom = losses.shape[0] - 1, losses.shape[1] - 1
    centred = losses - losses.mean(1, keepdims=True)
    centred = centred - centred.mean(0)
    covariance = centred @ centred.T / freedom
    trace, squares = float(covariance.trace()), float((covariance**2).sum())
    alike = (contrasts * freedom + 2) / (contrasts * (contrasts + freedom + 1))
    return trace**2 / (contrasts * squares) if squares else 1.0, alike, trace / contrasts


def _tail(uncertainty: Uncertainty, differences: Array, models: int, *, baseline: bool = False) -> Array:
    """The probability, for each pair, that some pair of K equal models differs as much."""
    q = np.sqrt(2) * uncertainty.studentised(differences)
    share, rest_freedom = uncertainty.seeds_share, uncertainty.documents_freedom
    freedom = np.maximum(uncertainty.seeds_freedom, 1)
    return range_tail(q, models, freedom, share=share, rest_freedom=rest_freedom, baseline=baseline)


def planned_seeds(differences: Array, open_: NDArray[np.bool_], family: Family, level: float) -> NDArray[np.int64]:
    """Number of seeds that find each open pair to be this different; 0 for others, and where none suffices."""
    needed = np.zeros(differences.shape, dtype=np.int64)
    planned, seeds = family.planned, family.seeds
    if planned is None or not seeds:
        return needed
    open_ = open_ & (planned.seeds > 0)
    if not open_.any():
        return needed
    needed[open_] = seeds_needed(
        differences[open_],
        seeds,
        seed_variance=planned.seeds[open_] * seeds,
        document_variance=np.maximum(planned.documents - planned.interaction, 0)[open_],
        documents=planned.documents_freedom + 1,
        models=family.models,
        pooled=family.pooled,
        level=level,
        baseline=family.baseline,
    )
    return needed
