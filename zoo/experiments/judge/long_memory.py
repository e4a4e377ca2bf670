"""The variance of the mean of a correlated series, from its slowest waves, corrected for long memory.

The first 12 cosine coefficients are slow waves, in which what neighbours share does not cancel; they are nearly
independent of each other (Müller 2007; Lazarus, Lewis, Stock and Watson 2018): their mean square is the variance if
nothing is slower still. A mean is the slowest wave of all, though, and if a series has memory d its spectrum rises like
frequency^-2d down to it. So d is estimated from up to 100 coefficients (local Whittle: Robinson 1995, Annals of
Statistics 23) and taken one standard error higher; what the waves then say of the mean (MAC: Robinson 2005,
Econometric Theory 21) is the variance. It is never less than their mean square, which it is at d = 0.
"""

import numpy as np
import scipy  # its parts are imported when they are first used

from zoo.experiments.judge.tukey import Array

SLOW = 12
"""Waves that the variance is estimated from: its degrees of freedom."""
FITTED = 100
"""Waves that the memory is estimated from, at most; of a short series a quarter of its length."""
LONGEST = 0.45
"""Memory beyond which no mean can be estimated: at 0.5 the variance is infinite."""


def waves(series: Array) -> Array:
    """(..., D) -> (..., J): cosine coefficients, slowest first; of independent values with variance D times theirs."""
    length = series.shape[-1]
    count = min(FITTED, max(SLOW, length // 4), length - 1)
    coefficients: Array = scipy.fft.dct(series, norm="ortho")[..., 1 : count + 1] * np.sqrt(length)
    return coefficients


def slow(coefficients: Array) -> Array:
    """(..., J) -> (..., 12): waves whose squares add up to the variance of the sum without long memory."""
    first = coefficients[..., :SLOW]
    return first / np.sqrt(max(first.shape[-1], 1))


def variance_of_sum(coefficients: Array, length: int) -> Array:
    """(P, J) coefficients of P series of this length -> (P,); 0 for a single value, which has no waves."""
    if length == 1:
        return np.zeros(len(coefficients))
    squares = coefficients**2
    frequency = np.pi * np.arange(1, squares.shape[1] + 1) / length
    memory = _memory(squares, frequency)
    level = (squares[:, :SLOW] * frequency[:SLOW] ** (2 * memory[:, None])).mean(1)
    at_mean: Array = scipy.special.gamma(1 - 2 * memory) * np.sinc(memory) / (1 + 2 * memory) * length ** (2 * memory)
    return level * at_mean


def _memory(squares: Array, frequency: Array) -> Array:
    """(P, J) -> (P,): the local Whittle estimate of d and one standard error, between 0 and 0.45.

    What is minimised is convex in d, so the best of the bounded values is the bounded best.
    """
    error = 1 / np.sqrt(2 * len(frequency))
    upper = np.linspace(0, LONGEST, 46)
    powers = 2 * (upper - error)
    fit = np.log(np.maximum(squares @ frequency[:, None] ** powers, np.finfo(float).tiny))
    best: Array = upper[(fit - powers * np.log(frequency).mean()).argmin(1)]
    return best
