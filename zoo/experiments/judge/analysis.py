"""Compare the models of a study pair by pair: which is better, and how certainly.

Every model is trained under the same seeds and scored on the same documents, so a pair is judged by its differences.
Two uncertainties count: new seeds, and new documents of the test split (`uncertainty.py`). All pairs are one family
(`family.py`). A t interval assumes roughly normal scatter over the seeds, and enough documents: where the numbers show
otherwise it is withheld (`seeds.py`). Caveats state the assumptions of every verdict (`caveats.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

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
from zoo.experiments.judge.family import FEWEST_SEEDS, judge
from zoo.experiments.judge.letters import compact_letters
from zoo.experiments.judge.pairs import find_interval, judge_pairs
from zoo.experiments.judge.seeds import ROUNDING, split_in_two
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Uncertainty, Units, uncertainties

USUAL = Criterion()
SAME = 1e-7
"""Largest relative difference of two losses that count as equal: the rounding of float32."""


@dataclass(frozen=True)
class Analysis:
    """The estimates of a study's models, the verdicts on all pairs, and the method with its reason.

    `correlation`: mean correlation of two models' losses over the seeds; `caveats`: the assumptions, a sentence each.
    """

    estimates: dict[str, Estimate]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    method: str
    reason: str
    correlation: float | None
    caveats: tuple[str, ...]


def analyse(
    labels: Sequence[str],
    nats: ArrayLike,
    tokens: ArrayLike,
    *,
    units: Units = "documents",
    inflation: float = 1.0,
    criterion: Criterion = USUAL,
) -> Analysis:
    """Compare K models over n seeds and D documents.

    Args:
        labels: K different names.
        nats: (K, n, D) summed loss of every document under every seed.
        tokens: (D,) number of targets of every document.
        units: independent documents, or a series: the neighbouring stretches of one stream, in its order.
        inflation: factor of the documents' and of the interaction's variance, for splits that overlap.
        criterion: error rate, and margin of equality.

    Raises:
        ValueError: shapes do not fit, labels repeat, a number is not finite, a document has no targets, the units are
            unknown, or the inflation is below 1.
    """
    if units not in get_args(Units) or not 1 <= inflation < np.inf:
        raise ValueError(
            f"units must be one of {get_args(Units)}, and inflation at least 1; got {units} and {inflation}"
        )
    names, summed, counts = _checked(labels, nats, tokens)
    losses = summed.sum(2) / counts.sum()
    means = losses.mean(1)
    exact = ROUNDING * float(np.abs(losses).max())
    scatter = summed - means[:, None, None] * counts
    alone, paired = uncertainties(scatter, counts, units=units, inflation=inflation, exact=exact)
    first, second = np.triu_indices(len(names), 1)
    by_seed = losses[first] - losses[second]
    by_seed[np.abs(by_seed) <= SAME * np.abs(losses).max()] = 0.0

    def withheld(samples: Array, uncertainty: Uncertainty) -> list[str]:
        fewest, why = {"series": (FEWEST_STRETCHES, FEW_STRETCHES), "documents": (FEWEST_DOCUMENTS, FEW_DOCUMENTS)}[
            units
        ]
        few, split = (
            (uncertainty.seen if units == "series" else uncertainty.effective) < fewest,
            split_in_two(samples, len(names), exact),
        )
        return [why if f else SPLIT_SEEDS if s else "" for f, s in zip(few, split, strict=True)]

    estimates = _estimates(names, means, alone, withheld(losses, alone), criterion.level)
    family = judge(losses, by_seed.mean(1), paired)
    labelled = [(names[a], names[b]) for a, b in zip(first, second, strict=True)]
    pairs = judge_pairs(labelled, by_seed, paired, family, withheld(by_seed, paired), criterion)
    return Analysis(
        estimates,
        pairs,
        _letters([names[k] for k in np.argsort(means, kind="stable")], pairs),
        family.method,
        family.reason,
        _correlation(losses),
        collect_caveats(estimates, pairs, seeds=losses.shape[1], tokens=counts, units=units, level=criterion.level),
    )


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


def _estimates(
    names: list[str], means: Array, uncertainty: Uncertainty, withheld: Sequence[str], level: float
) -> dict[str, Estimate]:
    estimates = {}
    for k, (name, mean, why) in enumerate(zip(names, means.tolist(), withheld, strict=True)):
        low, high = find_interval(uncertainty, k, mean, why, level)
        effective = float(uncertainty.effective[k])
        estimates[name] = Estimate(mean, low, high, *uncertainty.standard_errors(k), effective, why)
    return estimates


def _letters(ranked: Sequence[str], pairs: Sequence[Pair]) -> dict[str, str]:
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
