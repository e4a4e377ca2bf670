"""FlattenConsecutive and SlidingFlatten against explicit loops."""

import pytest
import torch
from torch import Tensor

from zoo.layers import FlattenConsecutive, SlidingFlatten


def groups_of(x: Tensor, n: int) -> Tensor:
    """(B, T, C) -> (B, T/n, n·C)."""
    rows = [[torch.cat(list(row[t : t + n])) for t in range(0, len(row), n)] for row in x]
    return torch.stack([torch.stack(row) for row in rows])


def last_at_every_position(x: Tensor, n: int, dilation: int) -> Tensor:
    """(B, T, C) -> (B, T - (n-1)·dilation, n·C)."""
    reach = (n - 1) * dilation
    rows = [
        [torch.cat([row[t - k * dilation] for k in reversed(range(n))]) for t in range(reach, len(row))] for row in x
    ]
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 12])
def test_neighbours_stand_side_by_side_the_oldest_first(n, assert_agree):
    x = torch.randn(2, 12, 3, dtype=torch.float64, requires_grad=True)
    assert_agree(FlattenConsecutive(n)(x), groups_of(x, n), [x])


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_any_number_of_leading_axes(leading):
    x = torch.randn(*leading, 6, 5)
    expected = groups_of(x.reshape(-1, 6, 5), 2).reshape(*leading, 3, 10)
    torch.testing.assert_close(FlattenConsecutive(2)(x), expected)


def test_a_length_that_n_does_not_divide_raises_with_both_numbers():
    with pytest.raises(ValueError, match=r"T=7 must be divisible by n=3"):
        FlattenConsecutive(3)(torch.zeros(2, 7, 1))


def test_at_every_position_sliding_equals_the_group_that_ends_there():
    x, n = torch.randn(2, 9, 3), 4
    slid = SlidingFlatten(n)(x)
    for t in range(n - 1, 9):
        group = FlattenConsecutive(n)(x[:, t - n + 1 : t + 1])
        torch.testing.assert_close(slid[:, t - n + 1], group.squeeze(1))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_sliding_gathers_what_stands_a_dilation_apart(n, dilation, assert_agree):
    x = torch.randn(2, 11, 3, dtype=torch.float64, requires_grad=True)
    layer = SlidingFlatten(n, dilation)
    assert layer(x).shape[1] == 11 - layer.reach
    assert_agree(layer(x), last_at_every_position(x, n, dilation), [x])


def test_a_row_shorter_than_one_group_raises_with_both_numbers():
    with pytest.raises(ValueError, match=r"T=6 must be greater than its reach 6"):
        SlidingFlatten(3, dilation=3)(torch.zeros(1, 6, 1))


@pytest.mark.parametrize(
    ("layer", "sizes"), [(FlattenConsecutive, (0,)), (SlidingFlatten, (0,)), (SlidingFlatten, (2, 0))]
)
def test_sizes_below_one_raise(layer, sizes):
    with pytest.raises(ValueError, match=r"n=0|dilation=0"):
        layer(*sizes)


@pytest.mark.parametrize("layer", [FlattenConsecutive(2), SlidingFlatten(2, dilation=4)], ids=repr)
def test_repr_reproduces_the_call(layer):
    assert repr(eval(repr(layer))) == repr(layer)


@pytest.mark.parametrize("parts", [[1] * 20, [20], [3, 1, 1, 9, 6], [1, 19]], ids=str)
@pytest.mark.parametrize(("n", "dilation"), [(1, 4), (2, 1), (2, 4), (3, 1), (3, 5), (4, 3)])
def test_a_row_that_comes_in_parts_is_fused_as_the_whole_one_is(n: int, dilation: int, parts: list[int]) -> None:
    sliding = SlidingFlatten(n, dilation)
    before, row = torch.randn(2, sliding.reach, 5), torch.randn(2, sum(parts), 5)
    ring, fused, position = before.clone(), [], 0
    for part in row.split(parts, dim=1):
        fused.append(sliding.stream(part, ring, position))
        position += part.shape[1]
    torch.testing.assert_close(torch.cat(fused, dim=1), sliding(torch.cat([before, row], dim=1)), rtol=0, atol=0)
