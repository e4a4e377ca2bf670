"""The variance of the mean of a correlated series, from its slowest waves, corrected for long memory.

The first 12 cosine coefficients are slow waves, in which common effects of neighbours do not cancel. They are nearly
independent of each other (Müller 2007; Lazarus, Lewis, Stock and Watson 2018): their mean square is the variance if
nothing is slower. A mean is the slowest wave of all, though, and the spectrum of a series with memory d rises like
frequency^-2d down to it. So d is estimated from up to 100 coefficients (local Whittle: Robinson 1995, Annals of
Statistics 23) and raised by one standard error. The variance is the one that the waves imply for the mean with this d
(MAC: Robinson 2005, Econometric Theory 21), never less than their mean square, which it equals at d = 0.
"""

import numpy as np
import scipy  # its parts are imported when they are first used

from zoo.experiments.judge.tukey import Array

SLOW = 12
"""Number of waves that the variance is estimated from: its degrees of freedom."""
FITTED = 100
"""Most waves that the memory is estimated from; for a short series a quarter of its length."""
LONGEST = 0.45
"""Largest memory: at 0.5 the variance of a mean is infinite."""


def waves(series: Array) -> Array:
    """(..., D) -> (..., J) cosine coefficients, slowest first; for independent values their variance is D times that of
    a value."""
    length = series.shape[-1]
    count = min(FITTED, max(SLOW, length // 4), length - 1)
    coefficients: Array = scipy.fft.dct(series, norm="ortho")[..., 1 : count + 1] * np.sqrt(length)
    return coefficients


def slow(coefficients: Array) -> Array:
    """(..., J) -> (..., 12) waves whose squares add up to the variance of the sum without long memory."""
    first = coefficients[..., :SLOW]
    return first / np.sqrt(max(first.shape[-1], 1))


def variance_of_sum(coefficients: Array, length: int) -> Array:
    """(P, J) coefficients of P series of this length -> (P,) variances of their sums; 0 for a single value."""
    if length == 1:
        return np.zeros(len(coefficients))
    squares = coefficients**2
    frequency = np.pi * np.arange(1, squares.shape[1] + 1) / length
    memory = _memory(squares, frequency)
    level = (squares[:, :SLOW] * frequency[:SLOW] ** (2 * memory[:, None])).mean(1)
    at_mean: Array = scipy.special.gamma(1 - 2 * memory) * np.sinc(memory) / (1 + 2 * memory) * length ** (2 * memory)
    return level * at_mean


def _memory(squares: Array, frequency: Array) -> Array:
    """(P, J) -> (P,) local Whittle estimate of d plus one standard error, between 0 and 0.45.

    The objective is convex in d, so clipping the minimiser gives the minimum within the bounds.
    """
    error = 1 / np.sqrt(2 * len(frequency))
    upper = np.linspace(0, LONGEST, 46)
    powers = 2 * (upper - error)
    fit = np.log(np.maximum(squares @ frequency[:, None] ** powers, np.finfo(float).tiny))
    best: Array = upper[(fit - powers * np.log(frequency).mean()).argmin(1)]
    return best
