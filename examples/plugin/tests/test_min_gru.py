"""Test MinGRU against the contract, and its scan against the recurrence step by step."""

import torch
from min_gru import MinGRU, scan

from zoo.testing import contract

test_min_gru = contract(MinGRU)
test_one_narrow_block = contract(MinGRU, channels=8, layers=1)


def test_the_scan_is_the_recurrence() -> None:
    draw = torch.Generator().manual_seed(0)
    for length in (1, 2, 3, 8, 13):
        keep = torch.rand(2, length, 3, generator=draw, dtype=torch.float64, requires_grad=True)
        write = torch.randn(2, length, 3, generator=draw, dtype=torch.float64, requires_grad=True)
        before = torch.randn(2, 3, generator=draw, dtype=torch.float64, requires_grad=True)
        hidden, expected = before, []
        for t in range(length):
            hidden = keep[:, t] * hidden + write[:, t]
            expected.append(hidden)
        scanned, stepped = scan(keep, write, before), torch.stack(expected, dim=1)
        torch.testing.assert_close(scanned, stepped, rtol=0, atol=1e-12)
        inputs = (keep, write, before)
        gradients = (torch.autograd.grad((result**2).sum(), inputs) for result in (scanned, stepped))
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
