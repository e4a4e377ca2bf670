"""Fixtures of the layers' tests."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

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


class _Calls(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts = Counter[str]()

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        self.counts[op.overloadpacket.__name__] += 1
        return op(*args, **(kwargs or {}))


@pytest.fixture
def count_calls() -> Callable[[Callable[[], Any]], Counter[str]]:
    """Count how often a function calls each operation of torch."""

    def count(run: Callable[[], Any]) -> Counter[str]:
        with _Calls() as calls:
            run()
        return calls.counts

    return count


@pytest.fixture
def joined() -> Callable[[Any], Tensor]:
    """Join tensors to one vector, to compare all of them and their gradients at once."""
    return lambda parts: torch.cat([part.flatten() for part in parts])
