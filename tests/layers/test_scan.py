"""The linear recurrence against a loop over time."""

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from zoo.layers import scan

LENGTHS = pytest.mark.parametrize("T", [1, 5, 16, 17, 33, 100])


def naive(decay: Tensor, write: Tensor, before: Tensor) -> Tensor:
    hidden = [before]
    for t in range(decay.shape[1]):
        hidden.append(decay[:, t] * hidden[-1] + write[:, t])
    return torch.stack(hidden[1:], dim=1)


def inputs(T: int, *stack: int) -> list[Tensor]:
    """Decays between 0 and 1, many of them exactly 0 or 1, what is written, and the state before."""
    decay = (torch.rand(*stack, 2, T, 3, 2, dtype=torch.float64) * 2 - 0.5).clamp(0, 1)
    write = torch.randn_like(decay)
    before = torch.randn(*stack, 2, 3, 2, dtype=torch.float64)
    return [part.requires_grad_() for part in (decay, write, before)]


@LENGTHS
def test_it_is_a_loop_over_time(T, assert_agree):
    given = inputs(T)
    assert T == 1 or {0.0, 1.0} <= set(given[0].flatten().tolist())
    assert_agree(scan(*given), naive(*given), given)


@LENGTHS
def test_a_row_in_pieces_is_the_whole_row(T):
    decay, write, before = inputs(T)
    hidden, pieces = before, []
    for one, other in zip(decay.split(7, dim=1), write.split(7, dim=1), strict=True):
        pieces.append(scan(one, other, hidden))
        hidden = pieces[-1][:, -1]
    torch.testing.assert_close(torch.cat(pieces, dim=1), scan(decay, write, before))


def test_every_recurrence_of_a_stack_is_its_own():
    given = inputs(33, 3)
    torch.testing.assert_close(vmap(scan)(*given), torch.stack([naive(*one) for one in zip(*given, strict=True)]))
    decay, write, before = given
    shared = vmap(scan, in_dims=(None, 2, 0))(decay[0], write.movedim(0, 2), before)
    torch.testing.assert_close(shared, vmap(scan)(decay[:1].expand_as(decay), write, before))


def test_gradients_of_a_stack_are_those_of_each():
    given = inputs(33, 3)
    numbers = (0, 1, 2)
    found = vmap(grad(lambda *parts: scan(*parts).square().sum(), numbers))(*given)
    for k in range(3):
        alone = grad(lambda *parts: naive(*parts).square().sum(), numbers)(*(part[k] for part in given))
        for one, other in zip(found, alone, strict=True):
            torch.testing.assert_close(one[k], other)


def test_second_derivatives_are_right():
    decay, write, before = (part.detach()[:, ..., :1].requires_grad_() for part in inputs(18))
    assert torch.autograd.gradcheck(scan, (decay, write, before))
    assert torch.autograd.gradgradcheck(scan, (decay, write, before))


def test_it_computes_in_the_widest_dtype_and_changes_nothing_that_it_is_given():
    decay, write, before = (part.detach().float() for part in inputs(40))
    copies = [part.clone() for part in (decay, write, before)]
    assert scan(decay.bfloat16(), write.bfloat16(), before).dtype == torch.float32
    scan(decay, write, before)
    assert all(torch.equal(one, other) for one, other in zip(copies, (decay, write, before), strict=True))


def test_no_loop_runs_over_all_positions(count_calls):
    def steps(T: int) -> int:
        given = inputs(T)
        calls = count_calls(lambda: torch.autograd.grad(scan(*given).sum(), given))
        return calls["addcmul_"] + calls["mul_"]

    assert steps(4096) - steps(256) <= (4096 - 256) / 16
