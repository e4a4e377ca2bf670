"""Every normalisation by its name, against plain arithmetic."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import BatchNorm, Norm, RowNorm, has_shift, make_norm
from zoo.layers.norm import EPS, NORMS


def naive(name: str, x: Tensor) -> Tensor:
    """(B, T, C) -> (B, T, C), by loops, in training mode."""
    made = torch.empty_like(x)
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            for c in range(x.shape[2]):
                among = {"layer": x[b, t], "rms": x[b, t], "batch": x[:, :, c], "per-position": x[:, t, c]}.get(name)
                centre = 0.0 if among is None or name == "rms" else among.sum() / among.numel()
                scale = 1.0 if among is None else (((among - centre) ** 2).sum() / among.numel() + EPS) ** 0.5
                made[b, t, c] = (x[b, t, c] - centre) / scale
    return made


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_is_what_its_name_says(name: str) -> None:
    x = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 + 1
    torch.testing.assert_close(make_norm(name, 5, positions=4).double()(x), naive(name, x))


@pytest.mark.parametrize(
    ("name", "shift"), [("none", False), ("batch", True), ("per-position", True), ("layer", True), ("rms", False)]
)
def test_whether_a_norm_has_a_shift(name: str, shift: bool) -> None:
    assert has_shift(make_norm(name, 3, positions=2)) is shift


def test_the_types_of_the_options_name_what_the_table_has() -> None:
    assert set(get_args(Norm)) == set(NORMS)
    assert set(get_args(RowNorm)) < set(NORMS)


def test_a_name_that_no_norm_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="norm must be one of none, batch, per-position, layer, rms, not 'group'"):
        make_norm("group", 3)
    with pytest.raises(ValueError, match="per-position needs a number of positions"):
        make_norm("per-position", 3)


def test_batch_is_the_norm_of_every_other_axis() -> None:
    assert isinstance(make_norm("batch", 3), BatchNorm)
    assert isinstance(make_norm("none", 3), nn.Identity)
