"""Judge all pairs as one family: in at most 5% of studies any pair of equal models is called different.

- Where the models scatter alike over the seeds, all pairs share one pooled variance and Tukey's studentised range.
  "Alike": Box's epsilon of the losses' covariance (John's test of sphericity) is at least that of equal scatter.
- Elsewhere a pair keeps its own variance, at least the median pair's, with n - 1 degrees of freedom in Tukey's range;
  a tenth of the error goes to Holm's paired t tests, which find two quiet models beside a wild one.
- With few documents or splits, estimated variances of pairs are uncertain, and the smallest of many is far too small:
  in the range each pair's variance over documents is at least the median pair's too.
- A verdict also requires that the pair's own 95% interval excludes zero, so the two never contradict each other.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import NDArray

from zoo.experiments.judge.power import seeds_needed
from zoo.experiments.judge.tukey import LEVEL, Array, range_tail
from zoo.experiments.judge.uncertainty import Uncertainty

FEWEST_SEEDS = 3
HOLM_SHARE = 0.1
FEW_DOCUMENTS = 100
"""Degrees of freedom below which documents are few: at 30 some pair of 12 equal models was called different in 9%
of studies."""


@dataclass(frozen=True)
class Family:
    """The joint judgement of all P pairs: adjusted p (P,), and the uncertainty for planning another study."""

    p: Array
    method: str
    reason: str
    planned: Uncertainty | None
    models: int


def judge(losses: Array, differences: Array, paired: Uncertainty) -> Family:
    """Compute the adjusted p of every pair from the losses (K, n) and the pairs' mean differences (P,)."""
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
    ranging = _raise_to_median(paired)
    found = f"(Box's epsilon {epsilon:.2f}, where equal scatter has about {alike:.2f})"
    if epsilon >= alike:
        pooled = np.full_like(differences, 2 * variance / seeds)
        planned = replace(ranging, seeds=pooled, seeds_freedom=(models - 1) * (seeds - 1))
        p = np.maximum(own, _tail(planned, differences, models))
        reason = f"The models scatter alike over the seeds {found}: all pairs share one variance."
        return Family(np.minimum(p, 1), "Tukey, pooled", reason, planned, models)
    planned = replace(ranging, seeds=np.maximum(paired.seeds, _median(paired.seeds[paired.seeds > 0])))
    ranged = _tail(planned, differences, models) / (1 - HOLM_SHARE)
    p = np.maximum(own, np.minimum(ranged, _holm(_tail(paired, differences, 2)) / HOLM_SHARE))
    reason = f"The models may scatter unlike {found}: pairs keep their own variance, at least the median pair's."
    return Family(np.minimum(p, 1), "Tukey and Holm, own variances", reason, planned, models)


def _raise_to_median(paired: Uncertainty) -> Uncertainty:
    """Raise every pair's variance over few documents, without the interaction, to at least the median pair's."""
    if paired.documents_freedom >= FEW_DOCUMENTS:
        return paired
    own = np.maximum(paired.documents - paired.interaction, 0)
    return replace(paired, documents=paired.interaction + np.maximum(own, _median(own[paired.documents > 0])))


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


def _tail(uncertainty: Uncertainty, differences: Array, models: int) -> Array:
    """The probability, for each pair, that some pair of K equal models differs as much."""
    q = np.sqrt(2) * uncertainty.studentised(differences)
    share, rest_freedom = uncertainty.seeds_share, uncertainty.documents_freedom
    return range_tail(q, models, uncertainty.seeds_freedom, share=share, rest_freedom=rest_freedom)


def _holm(p: Array) -> Array:
    """Holm's adjusted p-values, not yet capped at 1."""
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return adjusted


def planned_seeds(differences: Array, seeds: int, family: Family) -> NDArray[np.int64]:
    """Number of seeds that each pair needs if its true difference is the measured one; 0 where no number suffices."""
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
