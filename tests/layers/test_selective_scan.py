"""The selective scan against a loop over positions, in float64."""

import pytest
import torch
from torch import Tensor

from zoo.layers import selective_scan
from zoo.layers.selective_scan import KEPT, SPAN

LENGTHS = [1, KEPT, 2 * KEPT + 1, SPAN + 1, 3 * SPAN - 5]


def naive(dt: Tensor, x: Tensor, A: Tensor, B: Tensor, C: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    h, y = before, []
    for t in range(x.shape[1]):
        h = (dt[:, t, None] * A).exp() * h + B[:, t, :, None] * (dt[:, t] * x[:, t])[:, None]
        y.append((C[:, t, :, None] * h).sum(1))
    return torch.stack(y, dim=1), h


def draw(T: int, *stack: int, B: int = 2, D: int = 5, N: int = 3) -> list[Tensor]:
    """dt, x, A, B, C and h before."""
    sizes = [(B, T, D), (B, T, D), (N, D), (B, T, N), (B, T, N), (B, N, D)]
    dt, x, A, *others = (torch.randn(*stack, *size, dtype=torch.float64) for size in sizes)
    return [part.requires_grad_() for part in (dt.abs(), x, -A.abs(), *others)]


@pytest.mark.parametrize("T", LENGTHS)
def test_it_is_a_loop_over_positions(T, assert_agree):
    inputs = draw(T)
    actual, expected = (torch.cat([y, h], dim=1) for y, h in (selective_scan(*inputs), naive(*inputs)))
    assert_agree(actual, expected, inputs)


@pytest.mark.parametrize("T", [KEPT + 3, SPAN + 1])
def test_stacked_models_have_the_outputs_and_gradients_of_each(T):
    inputs = draw(T, 3)

    def loss(*one: Tensor) -> Tensor:
        y, h = selective_scan(*one)
        return y.sin().sum() + h.cos().sum()

    each = [loss(*(part[k] for part in inputs)) for k in range(3)]
    torch.testing.assert_close(torch.vmap(loss)(*inputs), torch.stack(each))
    expected = torch.autograd.grad(sum(each), inputs)
    torch.testing.assert_close(torch.autograd.grad(torch.vmap(loss)(*inputs).sum(), inputs), expected)
    inner = torch.vmap(torch.func.grad(loss, argnums=tuple(range(6))))(*inputs)
    torch.testing.assert_close(inner, expected)


def test_inputs_that_a_stack_shares_are_allowed():
    inputs = draw(5)
    rates = torch.stack([inputs[2], 2 * inputs[2]])
    shared = torch.vmap(lambda A: selective_scan(*inputs[:2], A, *inputs[3:])[0])(rates)
    for k in range(2):
        torch.testing.assert_close(shared[k], naive(*inputs[:2], rates[k], *inputs[3:])[0])


def test_bfloat16_is_computed_in_float32_and_given_back():
    inputs = [part.detach().bfloat16() for part in draw(2 * KEPT)]
    y, after = selective_scan(*inputs)
    expected = selective_scan(*(part.float() for part in inputs))
    assert (y.dtype, after.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(y, expected[0].bfloat16())
    assert torch.equal(after, expected[1])


def test_given_tensors_are_left_as_they_are():
    inputs = draw(SPAN + 1)
    copies = [part.detach().clone() for part in inputs]
    y, h = selective_scan(*inputs)
    (y.sum() + h.sum()).backward()
    assert all(torch.equal(part, copy) for part, copy in zip(inputs, copies, strict=True))


def test_loops_are_as_long_as_a_span_at_any_length(count_calls):
    def steps(T: int) -> int:
        inputs = draw(T)
        return count_calls(lambda: torch.autograd.grad(selective_scan(*inputs)[0].sum(), inputs))["exp_"]

    assert steps(SPAN) == 2 * SPAN  # a loop over the positions, and one for the gradient
    assert steps(4096) == steps(2 * SPAN) == 4 * SPAN  # two before them, for the states before the spans
