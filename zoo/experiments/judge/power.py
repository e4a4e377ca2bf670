"""Power: how many seeds a study needs to find a difference."""

from typing import Any

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from zoo.experiments.judge.tukey import LEVEL, Array, critical_range
from zoo.experiments.judge.uncertainty import shared_freedom

POWER = 0.8
"""Probability that a planned study finds a true difference."""
MOST_SEEDS = 1000


def power(
    difference: ArrayLike,
    seeds: ArrayLike,
    *,
    seed_variance: ArrayLike,
    document_variance: ArrayLike = 0.0,
    documents: float = 2,
    models: int = 2,
    pooled: bool = False,
    level: float = LEVEL,
    baseline: bool = False,
) -> Array:
    """Probability of finding a true difference: that a noncentral t exceeds Tukey's critical value for all pairs.

    Args:
        difference: the true difference, nats a token.
        seeds: number of seeds of the study.
        seed_variance: variance of the pair's difference under one seed.
        document_variance: variance of its mean over the documents, which more seeds do not reduce.
        documents: effective number of documents; document_variance has one degree of freedom less.
        models: number of models whose pairs are judged together.
        pooled: whether the seed variance is pooled over all models, with (K - 1)(n - 1) degrees of freedom.
        level: error rate of all pairs together.
        baseline: the pairs are those of all others with one model.
    """
    number = np.asarray(seeds, dtype=float)
    by_seeds, by_documents = np.broadcast_arrays(np.asarray(seed_variance) / number, np.asarray(document_variance))
    total = by_seeds + by_documents
    freedom = shared_freedom(by_seeds / total, (number - 1) * (models - 1 if pooled else 1), documents - 1)
    beyond = critical_range(models, freedom, level, baseline=baseline) / np.sqrt(2)
    shift = np.minimum(np.abs(difference) / np.sqrt(total), 30.0)
    return 1 - scipy.special.nctdtr(freedom, shift, beyond)


def seeds_needed(difference: Array, seeds: int, **study: Any) -> NDArray[np.int64]:
    """Least number of seeds above `seeds` with 80% power, 0 where 1,000 are too few; other arguments as for `power`."""
    low, high = np.full(difference.shape, seeds), np.full(difference.shape, MOST_SEEDS)
    within = power(difference, high, **study) >= POWER
    while np.any(high - low > 1):
        middle = (low + high) // 2
        enough = power(difference, middle, **study) >= POWER
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(within, high, 0)
