"""Compare models whose seeds are their own: no seed of one is that of another, and their numbers may differ.

The variance of a difference over seeds is the sum of both models' (Welch 1947, Biometrika 34), with his degrees of
freedom. Documents are still shared: a pair's part of them is that of its mean difference, document by document, and the
interactions of both models, which it contains, are subtracted.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from zoo.experiments.judge.analysis import USUAL, Analysis, conclude, withhold
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.family import judge_unpaired
from zoo.experiments.judge.seeds import ROUNDING, split_in_two
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Uncertainty, Units, uncertainties


def analyse_unpaired(
    labels: Sequence[str],
    nats: Sequence[ArrayLike],
    tokens: ArrayLike,
    *,
    units: Units = "documents",
    criterion: Criterion = USUAL,
    word: str = "documents",
) -> Analysis:
    """Compare K models that have seeds of their own.

    Args:
        labels: K different names.
        nats: for every model (n, D) summed loss of every document under each of its own n seeds, two or more.
        tokens: (D,) number of targets of every document.
        units: documents, a series, or a test set, as for `analyse`.
        criterion: error rate, and margin of equality.
        word: what documents are called in caveats.

    Raises:
        ValueError: a model has fewer than two seeds, or shapes do not fit.
    """
    summed, counts = [np.asarray(own, dtype=float) for own in nats], np.asarray(tokens, dtype=float)
    if any(own.ndim != 2 or own.shape[1:] != counts.shape or len(own) < 2 for own in summed):
        raise ValueError(
            f"every model needs (seeds, documents) with two seeds or more; got {[own.shape for own in summed]}"
        )
    losses = [own.sum(1) / counts.sum() for own in summed]
    means = np.array([own.mean() for own in losses])
    exact = ROUNDING * max(float(np.abs(own).max()) for own in losses)
    scatter = [own - mean * counts for own, mean in zip(summed, means, strict=True)]
    each = [uncertainties(own[None], counts, units=units, exact=exact)[0] for own in scatter]
    alone = _join(each)
    averages = np.stack([own.mean(0, keepdims=True) for own in scatter])
    paired = _add_seeds(uncertainties(averages, counts, units=units, exact=exact)[1], alone)
    first, second = np.triu_indices(len(means), 1)
    split = np.array([split_in_two(own[None], len(means), exact)[0] for own in losses])
    differences = means[first] - means[second]
    family = judge_unpaired(differences, paired, len(means), min(map(len, losses)))
    return conclude(
        labels, means, alone, differences[:, None], paired, family,
        withhold(alone, split, units), withhold(paired, split[first] | split[second], units),
        tokens=counts, units=units, criterion=criterion, word=word,
    )  # fmt: skip


def _join(each: Sequence[Uncertainty]) -> Uncertainty:
    """The uncertainties of K models, each with its own number of seeds."""

    def gather(name: str) -> Array:
        return np.concatenate([np.atleast_1d(getattr(own, name)) for own in each]).astype(float)

    return Uncertainty(
        gather("seeds"),
        gather("documents"),
        gather("interaction"),
        gather("seeds_freedom"),
        each[0].documents_freedom,
        gather("effective"),
        gather("seen"),
    )


def _add_seeds(documents: Uncertainty, alone: Uncertainty) -> Uncertainty:
    """The uncertainty of every pair: that of its documents, and the seeds' of both models."""
    first, second = np.triu_indices(len(alone.seeds), 1)
    a, b = alone.seeds[first], alone.seeds[second]
    freedom = np.asarray(alone.seeds_freedom, dtype=float)
    parts = a**2 / freedom[first] + b**2 / freedom[second]
    least = np.minimum(freedom[first], freedom[second])
    return replace(
        documents,
        seeds=a + b,
        interaction=alone.interaction[first] + alone.interaction[second],
        seeds_freedom=np.divide((a + b) ** 2, parts, out=least, where=parts > 0),
    )
