"""Exact methods for scores that are right or wrong: counts k of n, and paired differences of two of them.

A share has the interval of Clopper and Pearson (1934, Biometrika 26). Two models are compared on the items that one of
them alone gets right: b for the first, c for the second. If they are equally good, b of b + c is a fair coin (McNemar
1947, Psychometrika 12, the exact form).

The interval of the difference, (b - c) / n, has two exact parts: the share of items that tell the models apart, and
among these the share that the first gets right. The error is divided between them, so the interval covers at least as
often as promised whatever the truth is; no approximation for large numbers is made.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import scipy  # its parts are imported when they are first used
from numpy.typing import ArrayLike

from zoo.experiments.judge.analysis import USUAL, Analysis, letters_of
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.estimates import Estimate, Pair
from zoo.experiments.judge.tukey import Array

COIN_SHARE = 0.9
"""Share of the error that goes to the coin, which decides whether a difference is found."""
CAVEAT = (
    "Scores are right or wrong: intervals and p are exact, and assume items that are independent of each other, as new "
    "ones would be."
)


def share_interval(count: int, number: int, level: float) -> tuple[float, float]:
    """The interval of Clopper and Pearson of a share, from `count` of `number`; it misses with probability `level`."""
    low = scipy.special.betaincinv(count, number - count + 1, level / 2) if count else 0.0
    high = scipy.special.betaincinv(count + 1, number - count, 1 - level / 2) if count < number else 1.0
    return float(low), float(high)


def coin_chance(first: int, second: int) -> float:
    """Two-sided p of a fair coin that fell `first` times on one side and `second` times on the other."""
    if first + second == 0:
        return 1.0
    return float(min(1.0, 2 * scipy.special.bdtr(min(first, second), first + second, 0.5)))


def difference_interval(first: int, second: int, number: int, level: float) -> tuple[float, float]:
    """The interval of (first - second) / number, from the items that one of two models alone gets right."""
    apart = share_interval(first + second, number, level * (1 - COIN_SHARE))
    coin = share_interval(first, first + second, level * COIN_SHARE) if first + second else (0.0, 1.0)
    ends = [share * (2 * side - 1) for share in apart for side in coin]
    return min(ends), max(ends)


def analyse_binary(labels: Sequence[str], wrong: ArrayLike, *, criterion: Criterion = USUAL) -> Analysis:
    """Compare K models on D items that each gets right (0) or wrong (1).

    Raises:
        ValueError: shapes do not fit, or a number is neither 0 nor 1.
    """
    errors = np.asarray(wrong, dtype=float)
    if errors.ndim != 2 or len(errors) != len(labels) or not errors.size or not np.isin(errors, (0, 1)).all():
        raise ValueError(f"scores must be 0 or 1 of {len(labels)} models on the same items; got {errors.shape}")
    number = errors.shape[1]
    estimates = {}
    for label, own in zip(labels, errors, strict=True):
        low, high = share_interval(int(own.sum()), number, criterion.level)
        estimates[label] = Estimate(float(own.mean()), low, high, None, _standard_error(own), float(number), "")
    family = max(len(labels) * (len(labels) - 1) // 2, 1)
    pairs = tuple(
        _judge(labels[a], labels[b], errors[a], errors[b], criterion, family)
        for a, b in combinations(range(len(labels)), 2)
    )
    ranked = sorted(labels, key=lambda label: estimates[label].mean)
    reason = "Two models are one pair." if family == 1 else f"p is multiplied by the number of pairs, {family}."
    return Analysis(
        estimates, pairs, letters_of(ranked, pairs), "exact McNemar", reason, correlation=None, caveats=(CAVEAT,)
    )


def _judge(a: str, b: str, first: Array, second: Array, criterion: Criterion, family: int) -> Pair:
    """Judge a pair; its own interval and the simultaneous one differ in their level alone."""
    worse, better = int(((first == 1) & (second == 0)).sum()), int(((first == 0) & (second == 1)).sum())
    number, level = len(first), criterion.level
    low, high = difference_interval(worse, better, number, level)
    joint = difference_interval(worse, better, number, level / family)
    shown = (None, None) if criterion.margin is None else joint
    return Pair(
        a=a,
        b=b,
        difference=(worse - better) / number,
        low=low,
        high=high,
        p=min(1.0, family * coin_chance(worse, better) / COIN_SHARE),
        p_permutation=None,
        seeds_se=None,
        documents_se=_standard_error(first - second),
        effective=float(number),
        withheld="",
        verdict=criterion.decide(*joint),
        seeds_needed=None,
        joint_low=shown[0],
        joint_high=shown[1],
        less=criterion.within(*joint),
    )


def _standard_error(values: Array) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
