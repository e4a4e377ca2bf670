"""Verdicts over several looks stay as they were found, and err in 5% of studies for all looks together."""

from dataclasses import replace

import numpy as np
import pytest

from studies.simulate_looks import CRITERION, MARGIN, simulate, with_looks
from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.estimates import FEW_STRETCHES, SPLIT_SEEDS, Pair
from zoo.experiments.judge.sequential import decide_over_looks, find_reason, look_level

LOOKS = (3, 5, 8, 12, 20)


@pytest.fixture
def open_pair() -> Pair:
    return Pair("a", "b", -0.1, -0.3, 0.1, 0.3, None, 0.1, None, 40.0, "", "undecided", 9)


def test_a_verdict_stays_as_it_was_found_with_the_numbers_of_the_last_look(open_pair: Pair) -> None:
    found = replace(open_pair, difference=-0.4, verdict="better", less=True, seeds_needed=None)
    pairs, decided = decide_over_looks({3: [open_pair], 5: [found], 8: [open_pair]})
    assert pairs == (replace(open_pair, verdict="better", less=True, seeds_needed=None),)
    assert decided == {("a", "b"): 5}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verdict": "equal"}, "decided"),
        ({}, "spent"),
        ({"seeds_needed": None}, "documents"),
        ({"verdict": "none", "withheld": SPLIT_SEEDS}, "spent"),
        ({"verdict": "none", "withheld": FEW_STRETCHES}, "documents"),
    ],
)
def test_a_pair_asks_for_seeds_only_where_they_could_decide_it(open_pair: Pair, changes: dict, reason: str) -> None:
    assert find_reason([replace(open_pair, **changes)]) == reason


def test_looks_have_equal_parts_of_what_was_not_spent_before() -> None:
    assert look_level(0.05, LOOKS) == pytest.approx(0.01)
    assert look_level(0.1, LOOKS, 0.05) == pytest.approx(0.01)


WORST = [
    ("normal, equal scatter", 2),
    ("normal, one model 4 times as wild, correlated, documents", 2),
    ("normal, scatter 1, 2, 4, ...", 2),
    ("normal, one model 4 times as wild", 2),
    ("normal, scatter 1, 2, 4, ..., correlated, documents", 2),
    ("stream, 3484 stretches, long memory d = 0.3", 6),
]


@pytest.mark.parametrize(
    ("name", "models", "studies"),
    [
        ("normal, equal scatter", 2, 100),
        *(pytest.param(name, models, 200, marks=pytest.mark.slow) for name, models in WORST),
    ],
)
def test_in_the_worst_settings_looks_err_in_at_most_5_percent_of_studies(name: str, models: int, studies: int) -> None:
    (setting,) = [own for own in with_looks() if (own.name, own.models) == (name, models)]
    found = simulate(setting, studies, block=1000)
    assert found.verdict(setting) == "holds"


def test_intervals_move_with_a_model_that_is_worse_by_the_margin() -> None:
    """So the simulation may judge models that differ by the margin on the intervals of equal ones."""
    setting = next(own for own in with_looks() if own.models == 3)
    nats, tokens = setting.draw(np.random.default_rng(0))
    before = analyse("abc", nats[:, :5], tokens, criterion=CRITERION).pairs
    nats[0] += MARGIN * tokens
    after = analyse("abc", nats[:, :5], tokens, criterion=CRITERION).pairs
    for old, new in zip(before, after, strict=True):
        moved = MARGIN if old.a == "a" else 0.0
        assert new.joint_low == pytest.approx(old.joint_low + moved, abs=1e-7)
        assert new.joint_high == pytest.approx(old.joint_high + moved, abs=1e-7)


def test_the_simulation_notices_a_level_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.simulate_looks.LEVEL", 0.1)
    setting = next(with_looks())
    assert simulate(setting, 60).verdict(setting) == "fails"
