"""Verdicts over several looks stay as they were found, and err in 5% of studies for all looks together."""

from dataclasses import replace

import numpy as np
import pytest

from zoo.experiments.judge.analysis import analyse
from zoo.experiments.judge.criterion import Criterion
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


@pytest.mark.parametrize(
    ("models", "studies"),
    [(2, 300), pytest.param(2, 1500, marks=pytest.mark.slow), pytest.param(5, 300, marks=pytest.mark.slow)],
)
def test_equal_models_are_called_different_by_any_look_in_at_most_5_percent_of_studies(
    models: int, studies: int
) -> None:
    rng, tokens, errors = np.random.default_rng([models, studies]), np.full(4, 5.0), 0
    criterion = Criterion(level=look_level(0.05, LOOKS))
    names = [f"m{k}" for k in range(models)]
    for _ in range(studies):
        nats = (2 + 0.02 * rng.standard_normal((models, LOOKS[-1], 1))) * tokens
        for number in LOOKS:
            pairs = analyse(names, nats[:, :number], tokens, criterion=criterion).pairs
            if any(pair.verdict in ("better", "worse") for pair in pairs):
                errors += 1
                break
    assert errors / studies <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / studies)
