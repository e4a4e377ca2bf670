"""Tukey's studentised range: the spread of K equal models by chance, in units of an estimated standard deviation.

Against a baseline it is the largest distance of the others from it instead (Dunnett 1955, JASA 50), in the same units.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import ArrayLike, NDArray

from zoo.experiments.judge.blocks import MOST, split

Array: TypeAlias = NDArray[np.float64]

NODES = 6400
"""Most numbers that the tail of one range takes."""
LEVEL = 0.05
"""Significance level of a comparison that names no other."""


def range_tail(
    q: ArrayLike,
    models: int,
    freedom: int | Array,
    *,
    share: ArrayLike = 1.0,
    rest_freedom: float = 0,
    baseline: bool = False,
) -> Array:
    """Probability that the studentised range of K equal models exceeds q, elementwise.

    With `baseline` it is the probability that any of K - 1 models is farther than q from the other one.

    `share` of the variance was estimated with `freedom` degrees of freedom, the rest with `rest_freedom`. Common
    degrees of freedom would be right at one level only, and far off in the tail. scipy's studentised range takes
    milliseconds per number.
    """
    if np.size(q) > max(1, MOST // NODES):
        whole = np.broadcast_to(share, np.shape(q)), np.broadcast_to(freedom, np.shape(q))
        return np.concatenate([
            range_tail(
                np.asarray(q)[part],
                models,
                freedom if np.ndim(freedom) == 0 else whole[1][part],
                share=whole[0][part],
                rest_freedom=rest_freedom,
                baseline=baseline,
            )
            for part in split(len(np.asarray(q)), NODES)
        ])  # fmt: skip
    q, share = np.asarray(q, dtype=float)[..., None], np.asarray(share, dtype=float)[..., None]
    ratio, weight = _variance_ratios(np.asarray(freedom, dtype=float), 100)
    variance = share * ratio
    if rest_freedom:
        rest_freedom = max(float(rest_freedom), 1.0)
        rest, rest_weight = _variance_ratios(np.asarray(rest_freedom), 16 if rest_freedom >= 12 else 64)
        q, variance = q[..., None], variance[..., None] + (1 - share[..., None]) * rest
        weight = weight[..., None] * rest_weight
    beyond = weight * np.interp(q / np.sqrt(variance), *_normal_tail(models, baseline))
    return beyond.sum((-2, -1) if rest_freedom else -1)


def critical_range(models: int, freedom: ArrayLike, level: float = LEVEL, *, baseline: bool = False) -> Array:
    """The studentised range that a share `level` of studies exceeds, interpolated in a table over 1 / freedom."""
    return np.interp(1 / np.asarray(freedom, dtype=float), *_critical_ranges(models, level, baseline))


def solve_tail(tail: Callable[[Array], Array], level: float, low: Array, high: Array, halvings: int) -> Array:
    """Where a falling function reaches `level`, elementwise between two positive bounds; bisects the logarithm."""
    low, high = np.log(low), np.log(high)
    for _ in range(halvings):
        middle = (low + high) / 2
        often = tail(np.exp(middle)) > level
        low, high = np.where(often, middle, low), np.where(often, high, middle)
    return np.exp(high)


def _variance_ratios(freedom: Array, count: int) -> tuple[Array, Array]:
    """Quadrature nodes (..., count) of the ratio of true to estimated variance, and their weights.

    Nodes are evenly spaced in the logarithm, where the density is smooth and the trapezoid rule is nearly exact.
    """
    width = np.sqrt(24 / freedom)
    nodes = np.linspace(-width - 24 / freedom, np.minimum(width, 2.2), count, axis=-1)
    weights = np.exp(freedom[..., None] * (nodes - np.exp(2 * nodes) / 2 + 0.5))
    return np.exp(-2 * nodes), weights / weights.sum(-1, keepdims=True)


@lru_cache
def _normal_tail(models: int, baseline: bool) -> tuple[Array, Array]:
    """Table of ranges, and of the probability that K standard normal numbers have a larger one.

    The integral is over the lowest number, which K numbers may be; or over the baseline, on both sides of which the
    others may lie.
    """
    ranges, first = np.linspace(0, 14, 2801), np.linspace(-8.5, 8.5, 201)
    density = np.exp(-(first**2) / 2)
    lower = first - ranges[:, None] if baseline else first
    inside = scipy.special.ndtr(first + ranges[:, None]) - scipy.special.ndtr(lower)
    within = (inside ** (models - 1)) @ density / np.sqrt(2 * np.pi) * (first[1] - first[0])
    return ranges, np.maximum(1 - (within if baseline else models * within), 0)


@lru_cache
def _critical_ranges(models: int, level: float, baseline: bool) -> tuple[Array, Array]:
    """Table of 1 / freedom, and of the critical range."""
    inverse = np.linspace(1e-5, 1, 200)
    low, high = np.full_like(inverse, 1e-3), np.full_like(inverse, 1e4)
    return inverse, solve_tail(lambda q: range_tail(q, models, 1 / inverse, baseline=baseline), level, low, high, 50)
