"""Orthogonalise matrices by Newton-Schulz iterations: odd polynomials that move all singular values towards 1.

An iteration with coefficients a, b, c takes x to (a + b G + c G²) x with G = x x^T, and so a singular value s to
a s + b s³ + c s⁵. Singular vectors stay. Beforehand a norm scales all singular values to at most 1.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Quintic = tuple[float, float, float]
"""Coefficients a, b, c of a s + b s³ + c s⁵."""

JORDAN: Quintic = (3.4445, -4.7750, 2.0315)
"""The same in every iteration (Jordan et al. 2024): steepest at zero, so values end between about 0.7 and 1.2."""
LOWER = 1e-3
"""Singular values from here to 1 are those that Polar Express brings near 1."""
SAFETY = 1.01
"""By how much rounding in bfloat16 may carry a singular value beyond its bound."""
EPS = 1e-7
"""Minimum norm by which a matrix is divided."""


def polar_express(iterations: int) -> tuple[Quintic, ...]:
    """Return the polynomials whose composition is nearest to 1 on [LOWER, 1] (Amsel et al. 2025, Polar Express).

    Each is nearest to 1 on the interval that the ones before it leave, which is the best that any choice can do
    (section 3 there). As there, all but the last one allow for rounding.
    """
    lower, upper, found = LOWER, 1.0, []
    for number in range(iterations):
        a, b, c = nearest_to_one(lower, upper)
        lower = a * lower + b * lower**3 + c * lower**5
        upper = 2 - lower
        safety = SAFETY if number < iterations - 1 else 1.0
        found.append((a / safety, b / safety**3, c / safety**5))
    return tuple(found)


def nearest_to_one(lower: float, upper: float) -> Quintic:
    """Return the odd quintic with the smallest maximum distance to 1 on [lower, upper], 0 < lower <= upper.

    Its difference from 1 is largest, with alternating signs, at both ends and at two points between, which the
    algorithm of Remez finds: solve for these points, then move the inner ones to where the slope is zero.
    """
    if lower > (1 - 1e-5) * upper:  # the limit, because the equations become singular
        return 1.875 / upper, -1.25 / upper**3, 0.375 / upper**5
    low, high = (3 * lower + upper) / 4, (lower + 3 * upper) / 4
    for _ in range(30):
        points = np.array([lower, low, high, upper])
        matrix = np.stack([points, points**3, points**5, [1, -1, 1, -1]], axis=1)
        a, b, c, _ = np.linalg.solve(matrix, np.ones(4)).tolist()
        root = math.sqrt(9 * b * b - 20 * a * c)
        low, high = (math.sqrt((-3 * b - sign * root) / (10 * c)) for sign in (1, -1))
    return a, b, c


def orthogonalize(matrices: Sequence[Tensor], polynomials: Sequence[Quintic], *, schatten: int = 2) -> list[Tensor]:
    """(K, rows, columns) each -> the same, each matrix brought near U V^T of its singular value decomposition.

    The results are contiguous. Matrices of equal sizes, also transposed ones, are computed as one batch.

    Args:
        polynomials: one per iteration; at least one.
        schatten: p of the norm (sum of the p-th powers of singular values, to the power 1/p) that is divided by: 2, the
            Frobenius norm, or 4, which is nearer to the largest singular value and known from G.
    """
    batches: dict[object, list[int]] = {}
    for number, matrix in enumerate(matrices):
        batches.setdefault((*sorted(matrix.shape[-2:]), matrix.dtype), []).append(number)
    found = list(matrices)
    for numbers in batches.values():
        wide = torch.cat([_widen(matrices[number]) for number in numbers])
        sizes = [len(matrices[number]) for number in numbers]
        for number, part in zip(numbers, _iterate(wide, polynomials, schatten).split(sizes), strict=True):
            rows, columns = matrices[number].shape[-2:]
            found[number] = (part.mT if rows > columns else part).contiguous()
    return found


def _widen(matrix: Tensor) -> Tensor:
    """Transpose a tall matrix, so that products of its rows are small."""
    return matrix.mT if matrix.shape[-2] > matrix.shape[-1] else matrix


def _iterate(x: Tensor, polynomials: Sequence[Quintic], schatten: int) -> Tensor:
    if schatten == 2:
        x = x / _norm(x).clamp(min=EPS)
        gram = x @ x.mT
    else:
        gram = x @ x.mT
        square = _norm(gram).clamp(min=EPS**2)
        x, gram = x / square.sqrt(), gram / square
    for number, (a, b, c) in enumerate(polynomials):
        if number:
            gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _norm(x: Tensor) -> Tensor:
    """(K, rows, columns) -> (K, 1, 1) Frobenius norms."""
    return x.norm(dim=(-2, -1), keepdim=True)
