"""Newton-Schulz iterations orthogonalise matrices; the polynomials of Polar Express are the best ones."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from zoo.training.optimizers.orthogonal import JORDAN, LOWER, nearest_to_one, orthogonalize, polar_express

METHODS = {"jordan": ((JORDAN,) * 5, 2), "polar-express": (polar_express(5), 4)}


def compose(polynomials, singular):
    for a, b, c in polynomials:
        singular = a * singular + b * singular**3 + c * singular**5
    return singular


@pytest.mark.parametrize(("lower", "upper"), [(0.01, 1.0), (0.3, 1.7), (0.8, 1.2)])
def test_no_odd_quintic_is_nearer_to_one_by_linear_programming(lower: float, upper: float) -> None:
    x = (lower + upper) / 2 - (upper - lower) / 2 * np.cos(np.linspace(0, np.pi, 400))
    powers = np.stack([x, x**3, x**5], axis=1)
    distance = np.ones((len(x), 1))
    best = linprog(
        [0, 0, 0, 1],
        A_ub=np.block([[powers, -distance], [-powers, -distance]]),
        b_ub=np.concatenate([np.ones(len(x)), -np.ones(len(x))]),
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    ours = np.abs(powers @ nearest_to_one(lower, upper) - 1).max()
    assert ours == pytest.approx(best.fun, rel=1e-3)


def test_the_polynomials_converge_to_one_on_their_interval_and_stay_finite() -> None:
    singular = np.linspace(LOWER, 1.0, 1001)
    distances = [np.abs(compose(polar_express(n), singular) - 1).max() for n in (1, 2, 3, 4, 5, 6, 99)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-6


@pytest.mark.parametrize("iterations", [1, 3, 5, 7])
def test_no_singular_value_of_the_interval_ends_as_far_from_one_as_with_jordan(iterations: int) -> None:
    singular = np.geomspace(LOWER, 1.0, 1001)
    farthest = [np.abs(compose(p, singular) - 1).max() for p in (polar_express(iterations), (JORDAN,) * iterations)]
    assert farthest[0] < farthest[1]


@pytest.mark.parametrize("method", METHODS)
def test_each_matrix_is_the_polynomials_of_its_singular_values_in_float64(method: str) -> None:
    torch.manual_seed(0)
    polynomials, schatten = METHODS[method]
    given = [torch.randn(*size, dtype=torch.float64) for size in [(2, 6, 20), (1, 20, 6), (1, 9, 9), (3, 6, 20)]]
    for matrix, found in zip(given, orthogonalize(given, polynomials, schatten=schatten), strict=True):
        u, s, v = torch.linalg.svd(matrix, full_matrices=False)
        scaled = s / (s**schatten).sum(-1, keepdim=True) ** (1 / schatten)
        expected = (u * compose(polynomials, scaled).unsqueeze(-2)) @ v
        assert found.is_contiguous()
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_end_near_one_and_directions_stay(method: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    polynomials, schatten = METHODS[method]
    given = [torch.randn(2, 6, 20), torch.randn(1, 20, 6), torch.randn(1, 9, 9)]
    ours = orthogonalize([matrix.to(dtype) for matrix in given], polynomials, schatten=schatten)
    for matrix, found in zip(given, ours, strict=True):
        assert found.shape == matrix.shape
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        inside = u.mT @ found.float() @ v.mT
        singular = inside.diagonal(dim1=-2, dim2=-1)
        assert ((singular > 0.3) & (singular < 1.35)).all()
        off_diagonal = inside - torch.diag_embed(singular)
        assert off_diagonal.abs().max() < (1e-4 if dtype == torch.float32 else 0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e6])
def test_zero_tiny_and_large_matrices_stay_finite(method: str, scale: float) -> None:
    polynomials, schatten = METHODS[method]
    for dtype in (torch.float32, torch.bfloat16):
        (found,) = orthogonalize([scale * torch.ones(1, 4, 5, dtype=dtype)], polynomials, schatten=schatten)
        assert found.isfinite().all()
        assert (found == 0).all() == (scale == 0)
