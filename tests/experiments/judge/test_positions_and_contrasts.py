"""Losses by position and contrasting passages, read from records, against plain loops."""

import math
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo.errors import RunError
from zoo.experiments.judge import contrasts as module
from zoo.experiments.judge.contrasts import find_contrasts
from zoo.experiments.judge.positions import loss_by_position, loss_by_position_of_run
from zoo.experiments.records.run import DataRecord, write_losses

CHARACTERS = "\nabc"
T95 = {3: 4.302652729911275}


def text_data(*, characters: str | None = CHARACTERS, stream: bool = False) -> DataRecord:
    return DataRecord(
        name="x",
        digest="",
        is_stream=stream,
        characters=characters,
        targets=dict.fromkeys(("train", "validation", "test"), 1),
        floor={},
    )


def stored(folder: Path, documents: list[list[tuple[int, float]]], **changes: Any) -> Any:
    """A run that recorded these documents, lists of (token, loss), and their losses by position."""
    folder.mkdir()
    width = max(map(len, documents))
    by_place = [[own[place][1] for own in documents if len(own) > place] for place in range(width)]
    flat = [pair for own in documents for pair in own]
    arrays = {
        "test.position.nats": np.array([sum(own) for own in by_place]),
        "test.position.squares": np.array([sum(v * v for v in own) for own in by_place]),
        "test.position.tokens": np.array([len(own) for own in by_place]),
        "test.kept.tokens": np.array([len(own) for own in documents]),
        "test.kept.targets": np.array([token for token, _ in flat], np.uint16),
        "test.kept.nats": np.array([loss for _, loss in flat], np.float32),
    }
    write_losses(folder / "losses.safetensors", {**arrays, **changes})
    return SimpleNamespace(directory=folder)


def invent(seed: int, lengths: list[int], base: float = 1.0) -> list[list[tuple[int, float]]]:
    draw = np.random.default_rng(seed)
    tokens = np.random.default_rng(0)
    return [
        [(int(tokens.integers(1, 5)), base + float(draw.random())) for _ in range(n - 1)] + [(0, base)] for n in lengths
    ]


def test_the_mean_over_seeds_at_every_position_with_its_t_interval(tmp_path: Path) -> None:
    texts = [invent(seed, [3, 5, 6, 4, 6]) for seed in range(3)]
    found = loss_by_position([[stored(tmp_path / str(n), own)] for n, own in enumerate(texts)])
    assert [(place.first, place.last) for place in found] == [(n, n) for n in range(1, 7)]
    for place in found:
        means = [fmean(own[place.first - 1][1] for own in text if len(own) >= place.first) for text in texts]
        reach = T95[3] * stdev(means) / math.sqrt(3)
        assert place.mean == pytest.approx(fmean(means))
        assert (place.low, place.high) == (pytest.approx(fmean(means) - reach), pytest.approx(fmean(means) + reach))


def test_of_one_run_the_interval_is_over_its_tokens(tmp_path: Path) -> None:
    text = invent(1, [3, 5, 6, 4, 6])
    found = loss_by_position_of_run(stored(tmp_path / "run", text))
    third = [own[2][1] for own in text]
    reach = 1.96 * stdev(third) / math.sqrt(5)
    assert found[2].mean == pytest.approx(fmean(third))
    assert found[2].high == pytest.approx(fmean(third) + reach)
    assert found[2].tokens == 5


def test_two_seeds_give_no_interval_and_splits_are_added_up(tmp_path: Path) -> None:
    one, other = invent(1, [3, 5]), invent(2, [4, 7])
    runs = [stored(tmp_path / "one", one), stored(tmp_path / "other", other)]
    found = loss_by_position([runs])
    assert found[0].mean == pytest.approx(fmean(own[0][1] for own in [*one, *other]))
    assert found[-1].last == 7
    assert all(place.low is None for place in found)


def test_ranges_hold_enough_tokens_and_every_position_once(tmp_path: Path) -> None:
    text = invent(1, [*range(2, 400), *[60] * 300])
    found = loss_by_position([[stored(tmp_path / "run", text)]])
    assert found[0].first == 1
    assert all(after.first == before.last + 1 for before, after in pairwise(found))
    assert found[-1].last == 399
    assert min(place.tokens for place in found) >= 200
    assert len(found) < 40
    assert [place.last for place in found[:6]] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_kept_nothing_leaves_it_out_for_its_model(tmp_path: Path) -> None:
    new = stored(tmp_path / "new", invent(1, [3, 4]))
    old = SimpleNamespace(directory=tmp_path / "old")
    old.directory.mkdir()
    write_losses(old.directory / "losses.safetensors", {"test.nats": np.ones(2), "test.tokens": np.ones(2, np.int64)})
    assert loss_by_position([[new], [old]]) == ()
    assert loss_by_position_of_run(old) == ()
    assert find_contrasts({"a": [new], "b": [old]}, text_data()) == ()


def test_the_documents_with_the_largest_difference_each_way_are_found(tmp_path: Path) -> None:
    lengths = [2, 5, 3, 8, 6, 4, 7, 5]
    texts = {label: [invent(10 * n + seed, lengths) for seed in (1, 2)] for n, label in enumerate("ab")}
    runs = {label: [stored(tmp_path / f"{label}{n}", own) for n, own in enumerate(texts[label])] for label in texts}
    (found,) = find_contrasts(runs, text_data())
    means = {
        label: [[fmean(pair) for pair in zip(*([v for _, v in text[n]] for text in own), strict=True)]
                for n in range(len(lengths))]
        for label, own in texts.items()
    }  # fmt: skip
    apart = [sum(a) - sum(b) for a, b in zip(means["a"], means["b"], strict=True)]
    below = sorted((n for n in range(8) if apart[n] < 0), key=lambda n: apart[n])[:3]
    above = sorted((n for n in range(8) if apart[n] > 0), key=lambda n: -apart[n])[:3]
    assert [passage.document for passage in found.passages] == [n + 1 for n in below + above]
    for passage in found.passages:
        n = passage.document - 1
        assert passage.a == pytest.approx(means["a"][n], abs=1e-4)
        assert passage.b == pytest.approx(means["b"][n], abs=1e-4)
        assert passage.difference == pytest.approx(apart[n], abs=1e-3)
        assert passage.text == tuple(["", *CHARACTERS][token] for token, _ in texts["a"][0][n])
        assert passage.begins
        assert passage.ends


def test_a_long_document_and_a_stream_are_cut_into_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LENGTH", 4)
    one, other = ([[(1 + n % 4, base) for n in range(10)]] for base in (1.0, 2.0))
    for stream in (False, True):
        runs = {"a": [stored(tmp_path / f"a{stream}", one)], "b": [stored(tmp_path / f"b{stream}", other)]}
        (found,) = find_contrasts(runs, text_data(stream=stream))
        shown = {("".join(passage.text), passage.begins, passage.ends) for passage in found.passages}
        assert shown == {("\nabc", True, False), ("\nabc", False, False), ("\na", False, True)}
        assert {passage.document for passage in found.passages} == {None if stream else 1}


def test_bytes_are_put_together_to_characters_and_their_losses_added(tmp_path: Path) -> None:
    data = "aé波".encode() + b"\xff\x00"
    one = [[(byte + 1, 1.0) for byte in data] + [(0, 0.5)]]
    other = [[(byte + 1, 3.0) for byte in data] + [(0, 0.5)]]
    runs = {"a": [stored(tmp_path / "a", one)], "b": [stored(tmp_path / "b", other)]}
    (found,) = find_contrasts(runs, text_data(characters=None))
    (passage,) = found.passages
    assert passage.text == ("a", "é", "波", "\ufffd", "\x00", "")
    assert passage.a == (1.0, 2.0, 3.0, 1.0, 1.0, 0.5)
    assert passage.b == (3.0, 6.0, 9.0, 3.0, 3.0, 0.5)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("position.nats", np.ones(2)),
        ("position.nats", np.full(6, np.nan)),
        ("position.tokens", np.zeros(6, np.int64)),
        ("position.tokens", np.full(6, -1)),
        ("position.tokens", np.ones(6)),
        ("position.squares", np.ones((6, 1))),
        ("kept.nats", np.ones(3, np.float32)),
        ("kept.nats", np.full(24, np.inf, np.float32)),
        ("kept.tokens", np.full(5, 2)),
        ("kept.tokens", np.array([30, -6])),
        ("kept.targets", np.ones(24)),
    ],
)
def test_damaged_arrays_are_told_in_a_line(name: str, array: np.ndarray, tmp_path: Path) -> None:
    run = stored(tmp_path / "run", invent(1, [3, 5, 6, 4, 6]), **{f"test.{name}": array})
    with pytest.raises(RunError, match="is damaged"):
        loss_by_position([[run]]) and find_contrasts({"a": [run], "b": [run]}, text_data())
    with pytest.raises(RunError, match="is damaged"):
        find_contrasts({"a": [run], "b": [run]}, text_data()) and loss_by_position([[run]])


def test_a_token_beyond_the_vocabulary_is_shown_as_unknown(tmp_path: Path) -> None:
    runs = {label: [stored(tmp_path / label, [[(9, base)]])] for label, base in (("a", 1.0), ("b", 2.0))}
    (found,) = find_contrasts(runs, text_data())
    assert found.passages[0].text == ("\ufffd",)
