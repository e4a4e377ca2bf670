"""Rotary positions."""

import pytest
import torch
from torch import Tensor

from zoo.layers import rotate


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 7, 8, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("start", [0, 5])
def test_it_multiplies_complex_pairs_by_a_phase(start, x, assert_agree):
    phases = torch.tensor(
        [[(start + t) * 10_000.0 ** (-2 * i / 8) for i in range(4)] for t in range(7)], dtype=torch.float64
    )
    turned = torch.complex(x[..., :4], x[..., 4:]) * torch.polar(torch.ones_like(phases), phases)
    assert_agree(rotate(x, torch.arange(start, start + 7)), torch.cat([turned.real, turned.imag], dim=-1), [x])


def test_dot_products_depend_on_distance_alone():
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)
    queries = rotate(q.expand(1, 1, 12, 8), torch.arange(12)).squeeze()
    keys = rotate(k.expand(1, 1, 12, 8), torch.arange(12)).squeeze()
    products = queries @ keys.T
    for distance in range(-11, 12):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert products[0].std() > 0.01


def test_norms_are_preserved(x):
    torch.testing.assert_close(rotate(x, torch.arange(7)).norm(dim=-1), x.norm(dim=-1))


def test_position_zero_stays_where_it_is(x):
    torch.testing.assert_close(rotate(x, torch.arange(7))[..., 0, :], x[..., 0, :])


def test_every_row_can_have_positions_of_its_own(x):
    position = torch.randint(50, (2, 1, 7))
    for row in range(2):
        torch.testing.assert_close(rotate(x, position)[row], rotate(x[row], position[row]))


def test_far_positions_keep_their_precision_in_bfloat16(x):
    row = x.detach()[:1, :1, :1]
    torch.testing.assert_close(
        rotate(row.bfloat16(), torch.tensor(1001)).double(), rotate(row, torch.tensor(1001)), rtol=0.02, atol=0.05
    )


def test_an_odd_number_of_channels_raises():
    with pytest.raises(ValueError, match="even number of channels a head, not 5"):
        rotate(torch.zeros(1, 1, 2, 5), torch.arange(2))
