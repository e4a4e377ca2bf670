"""Handle scatter over the seeds that is not normal: detect samples split in two, and test by sign flips.

A model that fails under one seed in five has losses in two groups, and a t interval of a few of them is too narrow.
A sample (of a model's losses, or of a pair's differences) is *split* where its largest gap is wider, relative to the
rest of its range, than in all but 2% of normal samples. With three seeds that takes a gap of 80 times the rest.
"""

import math
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from zoo.experiments.judge.blocks import split
from zoo.experiments.judge.tukey import LEVEL, Array

SPLIT = 0.02
"""Share of normal samples that are called split in a study of two models; of K models, 1/(K - 1) of that."""
ROUNDING = 1e-12
DRAWN, MOST_DRAWN = 100_000, 4_000_000
EXACT_FLIPS = 16


def split_in_two(samples: Array, models: int, exact: float) -> NDArray[np.bool_]:
    """(M, n) samples -> (M,) whether each is split, in a study of K models; gaps up to `exact` are rounding."""
    if samples.shape[1] < 3:
        return np.zeros(len(samples), dtype=bool)
    gap, rest = _largest_gap(samples)
    return (gap > exact) & (gap > _usual_gap(samples.shape[1], SPLIT / max(models - 1, 1)) * rest)


def _largest_gap(samples: Array) -> tuple[Array, Array]:
    """(M, n) samples -> (M,) the widest gap between neighbouring values, and (M,) the rest of the range."""
    gaps = np.diff(np.sort(samples, axis=1), axis=1)
    widest = gaps.max(1)
    return widest, gaps.sum(1) - widest


@lru_cache
def _usual_gap(seeds: int, level: float) -> float:
    """Ratio of largest gap to rest that a share `level` of normal samples exceeds."""
    ratios = _normal_gaps(seeds)
    return float(ratios[min(round(len(ratios) * (1 - level)), len(ratios) - 1)])


@lru_cache
def _normal_gaps(seeds: int) -> Array:
    """Sorted ratios of largest gap to rest in simulated normal samples, the same at every call."""
    drawn = np.random.default_rng(0).standard_normal((max(min(DRAWN, MOST_DRAWN // seeds), 1000), seeds))
    gap, rest = _largest_gap(drawn)
    return np.sort(gap / rest)


def fewest_to_reject(pairs: int, level: float = LEVEL) -> int:
    """Least number of seeds with which sign flips can reject, corrected for this number of pairs."""
    return 1 + math.ceil(math.log2(max(pairs, 1) / level))


def sign_flips(by_seed: Array, level: float = LEVEL) -> Array | None:
    """Two-sided p of every pair: the share of sign flips of its differences (P, n) whose mean is as far from zero.

    Tests whether both models have the same distribution of losses. None with too few seeds to ever reject.
    """
    seeds = by_seed.shape[1]
    if seeds < fewest_to_reject(1, level):
        return None
    signs = _flips(seeds)
    return np.concatenate([_share_as_far(by_seed[part], signs) for part in split(len(by_seed), signs.shape[1])])


def _share_as_far(by_seed: Array, signs: NDArray[np.int8]) -> Array:
    columns = split(signs.shape[1], len(signs))
    sums = np.abs(np.hstack([by_seed @ signs[:, part].astype(float) for part in columns]))
    share: Array = (sums >= sums[:, :1] * (1 - ROUNDING)).mean(1)
    return share


@lru_cache
def _flips(seeds: int) -> NDArray[np.int8]:
    """(n, 2^(n - 1)) signs without mirror images, the unflipped ones first; a random sample for more than 16 seeds."""
    if seeds <= EXACT_FLIPS:
        return np.array([(1, *rest) for rest in product((1, -1), repeat=seeds - 1)], dtype=np.int8).T
    random, signs = np.random.default_rng(0), np.ones((seeds, 2 ** (EXACT_FLIPS - 1)), dtype=np.int8)
    for row in signs:
        row[1:] = random.choice([-1.0, 1.0], size=len(row))[1:]
    return signs
