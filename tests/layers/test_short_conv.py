"""The short convolution against a loop over positions and taps."""

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from zoo.layers import ShortConv

KERNELS = pytest.mark.parametrize("kernel", [1, 2, 4])


def conv(kernel: int) -> ShortConv:
    return ShortConv(3, kernel).double()


def naive(layer: ShortConv, x: Tensor, before: Tensor) -> Tensor:
    kernel, past = layer.weight.shape[2], list(torch.cat([before, x], dim=1).unbind(1))
    rows = []
    for t in range(x.shape[1]):
        seen = past[t : t + kernel]
        rows.append(layer.bias + sum(weight * one for weight, one in zip(layer.weight[:, 0].T, seen, strict=True)))
    return torch.stack(rows, dim=1)


@KERNELS
@pytest.mark.parametrize("T", [1, 2, 5, 17])
def test_it_sums_over_its_taps_position_by_position(T, kernel, assert_agree):
    layer = conv(kernel)
    x = torch.randn(2, T, 3, dtype=torch.float64, requires_grad=True)
    before = torch.randn(2, kernel - 1, 3, dtype=torch.float64, requires_grad=kernel > 1)
    y, after = layer.run(x, before)
    given = [x, layer.weight, layer.bias, *([before] if kernel > 1 else [])]
    assert_agree(y, naive(layer, x, before), given)
    assert torch.equal(after, torch.cat([before, x], dim=1)[:, T:])


@KERNELS
def test_a_row_in_pieces_is_the_whole_row(kernel):
    layer, x = conv(kernel), torch.randn(2, 12, 3, dtype=torch.float64)
    state, made = layer.begin(2), []
    assert state.shape == (2, kernel - 1, 3)
    assert not state.any()
    for piece in x.split([1, 2, 1, 8], dim=1):
        y, state = layer.run(piece, state)
        made.append(y)
    torch.testing.assert_close(torch.cat(made, dim=1), layer.run(x, layer.begin(2))[0])


def test_a_stack_has_filters_of_its_own():
    layers, x = [conv(4) for _ in range(3)], torch.randn(3, 2, 9, 3, dtype=torch.float64)
    weights = {name: torch.stack([getattr(one, name) for one in layers]) for name in ("weight", "bias")}

    def run(own: dict[str, Tensor], row: Tensor) -> Tensor:
        return torch.func.functional_call(Row(layers[0]), {f"conv.{name}": part for name, part in own.items()}, row)

    found = vmap(run)(weights, x)
    expected = torch.stack([one.run(row, one.begin(2))[0] for one, row in zip(layers, x, strict=True)])
    torch.testing.assert_close(found, expected)


def test_a_stack_takes_rows_that_autocast_has_made_bfloat16():
    layer, x = ShortConv(3, 4), torch.randn(2, 2, 9, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vmap(Row(layer))(x.bfloat16())
    torch.testing.assert_close(found.float(), vmap(Row(layer))(x), rtol=0.05, atol=0.05)


class Row(torch.nn.Module):
    """A whole row through a convolution."""

    def __init__(self, conv: ShortConv) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv.run(x, self.conv.begin(len(x)))[0]
