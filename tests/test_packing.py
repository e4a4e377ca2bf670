"""Packing rows one after the other, and unpacking them."""

import pytest
import torch

from zoo.packing import Packing

LENGTHS = [3, 1, 11, 2, 8, 1, 17]


@pytest.fixture
def packing() -> Packing:
    return Packing.of(torch.tensor(LENGTHS))


def test_a_packing_knows_row_and_place_of_every_position(packing: Packing) -> None:
    assert packing.position.tolist() == [t for length in LENGTHS for t in range(length)]
    assert packing.row.tolist() == [row for row, length in enumerate(LENGTHS) for _ in range(length)]
    assert packing.shape == (7, 17)


def test_pad_and_pack_undo_each_other(packing: Packing) -> None:
    x = torch.arange(sum(LENGTHS) * 2).reshape(-1, 2)
    padded = packing.pad(x, -1)
    assert padded.shape == (7, 17, 2)
    assert [(row[:, 0] >= 0).sum() for row in padded] == LENGTHS
    assert torch.equal(packing.pack(padded), x)


@pytest.mark.parametrize("distance", [1, 2, 9])
def test_before_looks_back_within_the_row_and_not_past_its_start(packing: Packing, distance: int) -> None:
    place = torch.stack([packing.row, packing.position], dim=1)
    assert packing.before(place, distance).tolist() == [
        [row, max(0, t - distance)] for row, length in enumerate(LENGTHS) for t in range(length)
    ]


def test_a_chunk_is_at_least_as_long_as_the_longest_row(packing: Packing) -> None:
    assert packing.chunk == 32
    assert Packing.of(torch.tensor([16, 2])).chunk == 16


def test_chunks_are_the_positions_in_order_and_zeros_at_the_end(packing: Packing) -> None:
    x = torch.arange(1, sum(LENGTHS) + 1)
    assert packing.chunked(x).flatten().tolist() == [*range(1, 44), *[0] * 21]
    assert Packing.of(torch.tensor([16, 16])).chunked(torch.ones(32)).shape == (2, 16)


def test_visible_is_what_came_before_in_the_same_row(packing: Packing) -> None:
    S, rows = packing.chunk, packing.row.tolist()
    for chunk, t, s in packing.visible.nonzero().tolist():
        here, there = chunk * S + t, (chunk - 1) * S + s
        assert there == here if here >= len(rows) else 0 <= there <= here and rows[there] == rows[here]
    seen = packing.visible.sum(dim=2).flatten()[: len(rows)]
    assert torch.equal(seen, packing.position + 1)
