"""Padding before the start of a row."""

import pytest
import torch

from zoo.layers import pad_start


@pytest.mark.parametrize("count", [0, 1, 3])
def test_boundary_tokens_stand_before_every_row(count):
    assert pad_start(torch.tensor([[5, 6], [7, 8]]), count).tolist() == [[0] * count + [5, 6], [0] * count + [7, 8]]
