import math

import pytest
import torch
from torch import Tensor

from zoo.tokens import IGNORED
from zoo.training.loss import cross_entropy, token_losses


@pytest.fixture
def logits() -> Tensor:
    """Logits (3, 5, 7)."""
    return (3 * torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))).requires_grad_()


TARGETS = torch.tensor([[1, 6, 0, 2, 0], [3, 0, IGNORED, IGNORED, IGNORED], [0, IGNORED, IGNORED, IGNORED, IGNORED]])


def naive(logits: Tensor) -> tuple[list[float], Tensor]:
    """Summed loss of each row, and gradient of the mean over all targets, by a loop over targets in float64."""
    sums, gradient, count = [0.0] * 3, torch.zeros(3, 5, 7, dtype=torch.float64), int((TARGETS != IGNORED).sum())
    for row in range(3):
        for position in range(5):
            target = int(TARGETS[row, position])
            if target == IGNORED:
                continue
            weights = [math.exp(logit) for logit in logits[row, position].double().tolist()]
            shares = [weight / math.fsum(weights) for weight in weights]
            sums[row] -= math.log(shares[target])
            for symbol, share in enumerate(shares):
                gradient[row, position, symbol] = (share - (symbol == target)) / count
    return sums, gradient


def test_cross_entropy_is_the_naive_mean_over_targets_and_so_is_its_gradient(logits: Tensor) -> None:
    sums, gradient = naive(logits.detach())
    loss = cross_entropy(logits, TARGETS)
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == pytest.approx(sum(sums) / 8, rel=1e-6)
    torch.testing.assert_close(logits.grad.double(), gradient, rtol=1e-5, atol=1e-7)


def test_token_losses_add_up_to_the_naive_sums_of_each_row(logits: Tensor) -> None:
    losses = token_losses(logits, TARGETS)
    assert not losses[TARGETS == IGNORED].any()
    assert losses.double().sum(1).tolist() == pytest.approx(naive(logits.detach())[0], rel=1e-6)


def test_ignored_targets_contribute_nothing(logits: Tensor) -> None:
    ignored = TARGETS == IGNORED
    other = torch.where(ignored.unsqueeze(2), torch.tensor(1e4), logits)
    assert torch.equal(cross_entropy(other, TARGETS), cross_entropy(logits, TARGETS))
    assert torch.equal(token_losses(other, TARGETS), token_losses(logits, TARGETS))
    cross_entropy(logits, TARGETS).backward()
    assert not logits.grad[ignored].any()


def test_half_precision_logits_are_scored_in_float32(logits: Tensor) -> None:
    half = logits.detach().bfloat16()
    assert cross_entropy(half, TARGETS).dtype == torch.float32
    assert torch.equal(cross_entropy(half, TARGETS), cross_entropy(half.float(), TARGETS))
