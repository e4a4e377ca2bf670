"""Fixtures of the layers' tests."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

AssertAgree = Callable[[Tensor, Tensor, list[Tensor]], None]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Seed random numbers, the same in every run."""
    torch.manual_seed(0)


@pytest.fixture
def assert_agree() -> AssertAgree:
    """Check that outputs are equal, and so are their gradients with respect to the inputs."""

    def check(actual: Tensor, expected: Tensor, inputs: list[Tensor]) -> None:
        torch.testing.assert_close(actual, expected)
        direction = torch.randn_like(expected)
        for gradient, naive in zip(
            torch.autograd.grad(actual, inputs, direction),
            torch.autograd.grad(expected, inputs, direction),
            strict=True,
        ):
            torch.testing.assert_close(gradient, naive)

    return check
