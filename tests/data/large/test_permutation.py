import numpy as np
import pytest

from zoo.data.large.permutation import Permutation


@pytest.mark.parametrize("count", [*range(1, 70), 255, 256, 257, 1000, 65_537])
def test_every_item_stands_at_one_place(count: int) -> None:
    permutation, places = Permutation(count, 1, 2), np.arange(count)
    items = permutation(places)
    assert np.array_equal(np.sort(items), places)
    assert np.array_equal(permutation.inverse(items), places)


def test_it_depends_on_the_key_and_on_nothing_else() -> None:
    places = np.arange(1000)
    assert np.array_equal(Permutation(1000, 3, 4)(places), Permutation(1000, 3, 4)(places))
    assert not np.array_equal(Permutation(1000, 3, 4)(places), Permutation(1000, 3, 5)(places))
    assert not np.array_equal(Permutation(1000, 3, 4)(places), Permutation(1000, 4, 4)(places))


def test_places_that_are_looked_at_alone_hold_what_they_hold_among_all() -> None:
    permutation = Permutation(20_000_003, 7)
    some = np.array([0, 19_999_999, 5, 20_000_002])
    assert [int(permutation(place[None])[0]) for place in some] == permutation(some).tolist()
    assert np.array_equal(permutation.inverse(permutation(some)), some)


def test_every_place_holds_every_item_equally_often_over_the_keys() -> None:
    count, keys = 12, 6000
    held = np.zeros((count, count))
    for key in range(keys):
        held[np.arange(count), Permutation(count, key)(np.arange(count))] += 1
    expected = keys / count
    chi_squared = ((held - expected) ** 2 / expected).sum()
    freedom = (count - 1) ** 2
    assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighbours_come_apart() -> None:
    count = 1_000_003
    items = Permutation(count, 11)(np.arange(200_000)) / count
    assert abs(items.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(items))
    for distance in (1, 2, 3, 1024):
        assert abs(np.corrcoef(items[:-distance], items[distance:])[0, 1]) < 5 / np.sqrt(len(items))
    assert abs((items[1:] > items[:-1]).mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(items))
