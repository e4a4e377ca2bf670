"""Calculations by parts give what the whole gives, and a large array lives in a file."""

from dataclasses import asdict

import numpy as np
import pytest

from zoo.experiments.judge import blocks, tukey
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.blocks import make_array, split
from zoo.experiments.judge.seeds import sign_flips
from zoo.experiments.judge.tukey import range_tail
from zoo.experiments.judge.uncertainty import Units


def small_parts(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(blocks, "MOST", most)
    monkeypatch.setattr(tukey, "MOST", most)


@pytest.mark.parametrize("most", [1, 7, 100])
def test_parts_cover_every_row_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small_parts(monkeypatch, most)
    for count in (1, 6, 13):
        assert np.concatenate([np.arange(count)[part] for part in split(count, 3)]).tolist() == list(range(count))


@pytest.mark.parametrize("units", ["documents", "series", "test set"])
@pytest.mark.parametrize("most", [1, 500])
def test_an_analysis_by_parts_is_that_of_the_whole(units: Units, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    tokens = random.integers(3, 9, 120)
    seeds = random.normal(0, 0.02, (6, 9, 1)) + random.normal(0, 0.01, (6, 1, 1))
    nats = tokens * (2.0 + seeds + random.normal(0, 0.1, (6, 9, 120)))
    labels = list("abcdef")
    whole = analyse(labels, nats, tokens, units=units)
    small_parts(monkeypatch, most)
    parts = analyse(labels, nats, tokens, units=units)
    assert (parts.method, parts.letters, parts.caveats) == (whole.method, whole.letters, whole.caveats)
    for own, other in zip(
        [*parts.pairs, *parts.estimates.values()], [*whole.pairs, *whole.estimates.values()], strict=True
    ):
        for name, value in asdict(own).items():
            expected = asdict(other)[name]
            assert value == (pytest.approx(expected, rel=1e-9, abs=1e-13) if isinstance(value, float) else expected)


def test_sign_flips_by_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.02, (5, 20))
    whole = sign_flips(differences)
    small_parts(monkeypatch, 3000)
    parts = sign_flips(differences)
    assert whole is not None
    assert parts is not None
    assert parts.tolist() == whole.tolist()


@pytest.mark.parametrize("freedom", [7, np.linspace(3, 40, 50)], ids=["one", "each"])
def test_tails_of_many_ranges_are_those_of_each(freedom: int | np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    q, share = np.linspace(0.5, 6, 50), np.linspace(0.2, 1, 50)
    whole = range_tail(q, 5, freedom, share=share, rest_freedom=30)
    small_parts(monkeypatch, 6400 * 8)
    assert range_tail(q, 5, freedom, share=share, rest_freedom=30) == pytest.approx(whole, rel=1e-12)


def test_a_large_array_is_in_a_file_without_a_name(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MOST_HELD", 10)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = make_array(3, 4)
    array[:] = np.arange(12).reshape(3, 4)
    assert isinstance(array, np.memmap)
    assert array.sum() == 66
    assert list(tmp_path.iterdir()) == []
