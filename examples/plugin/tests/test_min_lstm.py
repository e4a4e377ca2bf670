"""Test MinLSTM against the contract, and its block against the recurrence step by step."""

import torch
from min_lstm import Block, MinLSTM

from zoo.testing import contract

test_min_lstm = contract(MinLSTM)
test_one_narrow_block = contract(MinLSTM, channels=8, layers=1)


def test_a_block_is_the_recurrence() -> None:
    draw = torch.Generator().manual_seed(0)
    block = Block(3).double()
    for length in (1, 2, 16, 35):
        x = torch.randn(2, length, 3, generator=draw, dtype=torch.float64)
        before = torch.randn(2, 3, generator=draw, dtype=torch.float64)
        hidden, expected = before, []
        for t in range(length):
            forget, write, candidate, gate = block.inner(block.norm(x[:, t])).chunk(4, dim=-1)
            f, i = torch.sigmoid(forget), torch.sigmoid(write)
            hidden = f / (f + i) * hidden + i / (f + i) * candidate
            expected.append(x[:, t] + block.outer(hidden * gate * torch.sigmoid(gate)))
        (y, after), stepped = block(x, before), torch.stack(expected, dim=1)
        torch.testing.assert_close(y, stepped, rtol=0, atol=1e-12)
        torch.testing.assert_close(after, hidden, rtol=0, atol=1e-12)
        gradients = (torch.autograd.grad((result**2).sum(), [*block.parameters()]) for result in (y, stepped))
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
