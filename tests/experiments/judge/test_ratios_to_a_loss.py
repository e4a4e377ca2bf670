"""What two models take to a loss: which was first, by which ratio, and how often a verdict errs."""

import math
from typing import Any

import numpy as np
import pytest

from studies.simulate_target import settings, simulate
from zoo.experiments.judge.crossings import Crossing
from zoo.experiments.judge.profile import collect_profile
from zoo.experiments.judge.ratios import Ratio, judge_ratios
from zoo.experiments.judge.target import Targets, judge_targets

REACHED, SHORT, DIVERGED = "reached", "short", "diverged"
Runs = list[tuple[str, float]]


def crossings(label: str, runs: Runs, target: float = 2.0) -> list[Crossing]:
    """Crossings under seeds 1, 2, ...: (how each run ended, its amount of everything)."""
    return [
        Crossing(label=label, seed=seed, split=None, target=target, ended=ended, steps=amount, tokens=amount,
                 flops=amount, seconds=amount)
        for seed, (ended, amount) in enumerate(runs, 1)
    ]  # fmt: skip


def compared(first: Runs, second: Runs, **options: Any) -> Ratio:
    """The ratio of tokens of two models."""
    every = {("a", 2.0): crossings("a", first), ("b", 2.0): crossings("b", second)}
    found = judge_ratios([2.0], [("a", "b")], every, **{"possible": True, **options})
    return next(ratio for ratio in found if ratio.measure == "tokens")


def judged(models: dict[str, Runs], **options: Any) -> Targets:
    every = {(label, 2.0): crossings(label, runs) for label, runs in models.items()}
    seeds = len(next(iter(models.values())))
    return judge_targets([2.0], dict.fromkeys(models, seeds), every, {}, seeds=seeds, **options)


@pytest.mark.parametrize(
    ("a", "b", "known", "first", "bounds"),
    [
        ((REACHED, 2), (REACHED, 4), 1, 1, (0.5, 0.5)),
        ((REACHED, 4), (REACHED, 2), 1, 0, (2.0, 2.0)),
        ((REACHED, 4), (REACHED, 4), 0, 0, None),
        ((REACHED, 2), (SHORT, 8), 1, 1, (0.0, 0.25)),
        ((REACHED, 9), (SHORT, 8), 0, 0, None),
        ((SHORT, 8), (REACHED, 2), 1, 0, (4.0, None)),
        ((SHORT, 8), (SHORT, 2), 0, 0, None),
        ((REACHED, 9), (DIVERGED, 1), 1, 1, (0.0, 0.0)),
        ((DIVERGED, 1), (REACHED, 9), 1, 0, (None, None)),
        ((DIVERGED, 1), (DIVERGED, 1), 0, 0, None),
        ((SHORT, 1), (DIVERGED, 1), 0, 0, None),
    ],
)
def test_who_was_first_is_known_where_the_other_was_trained_as_far(
    a: tuple[str, float], b: tuple[str, float], known: int, first: int, bounds: tuple[float, float] | None
) -> None:
    found = compared([a], [b])
    assert (found.known, found.first) == (known, first)
    assert (found.ratio and (found.ratio.at_least, found.ratio.at_most)) == bounds


def test_exchanged_models_have_the_reciprocal_ratio_and_the_same_p() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        a, b = ([(REACHED if t < 2 else SHORT, min(t, 2.0)) for t in draw.lognormal(size=8).tolist()] for _ in "ab")
        one, other = compared(a, b), compared(b, a)
        assert one.p == other.p
        assert one.first + other.first == one.known == other.known
        if one.ratio and other.ratio:
            low, high = one.ratio.low, other.ratio.high
            assert (low == 0.0) if high is None else low == pytest.approx(1 / high)


def test_the_interval_of_a_ratio_excludes_one_where_the_sign_test_rejects() -> None:
    draw = np.random.default_rng(1)
    seen = set()
    for shift in np.linspace(-1, 1, 40):
        logs = 0.5 * draw.standard_normal((2, 10))
        a = [(REACHED, value) for value in np.exp(logs[0] + shift).tolist()]
        b = [(REACHED if value < 1.5 else SHORT, min(value, 1.5)) for value in np.exp(logs[1]).tolist()]
        found = compared(a, b)
        assert found.ratio
        assert found.p is not None
        if found.ratio.coverage is None:
            continue
        inside = (found.ratio.low or 0.0) <= 1 <= (math.inf if found.ratio.high is None else found.ratio.high)
        assert inside == (found.p > 0.05)
        seen.add(inside)
    assert seen == {True, False}


def test_a_verdict_takes_six_seeds_and_more_where_there_are_more_pairs() -> None:
    slow, fast = [(REACHED, 4.0)] * 5, [(REACHED, 2.0)] * 5
    five = judged({"a": fast, "b": slow})
    assert five.fewest_seeds == 6
    assert {ratio.verdict for ratio in five.ratios} == {"none"}
    six = judged({"a": [*fast, fast[0]], "b": [*slow, slow[0]]})
    assert {(ratio.verdict, ratio.p) for ratio in six.ratios} == {("fewer", 2 / 64)}
    three = judged({"a": [*fast, fast[0]], "b": [*slow, slow[0]], "c": [(REACHED, 8.0)] * 6})
    assert three.fewest_seeds == 7
    assert {ratio.p for ratio in three.ratios} == {6 / 64}


def test_a_model_that_never_gets_there_is_slower_than_one_that_does() -> None:
    found = judged({"a": [(REACHED, 4.0)] * 6, "b": [(DIVERGED, 1.0)] * 6})
    assert {(ratio.verdict, ratio.first) for ratio in found.ratios} == {("fewer", 6)}
    (_, never) = found.reach
    assert never.tokens
    assert (never.reached, never.tokens.at_least, never.tokens.low) == (0, None, None)


def test_runs_that_share_a_split_have_ratios_and_ranges_and_no_verdict() -> None:
    found = judged({"a": [(REACHED, 2.0)] * 9, "b": [(REACHED, 4.0)] * 9}, several=True)
    assert {(ratio.verdict, ratio.p) for ratio in found.ratios} == {("none", None)}
    assert found.withheld
    assert {row.tokens.coverage for row in found.reach if row.tokens} == {None}


def test_a_model_without_numbers_says_why_and_takes_part_in_no_pair() -> None:
    every = {(label, 2.0): crossings(label, [(REACHED, 2.0)] * 6) for label in "ab"}
    runs = dict.fromkeys("abc", 6)
    found = judge_targets([2.0], runs, every, {"c": "failed 1 of 6"}, seeds=6)
    assert [(row.label, row.missing) for row in found.reach] == [("a", ""), ("b", ""), ("c", "failed 1 of 6")]
    assert {(ratio.a, ratio.b) for ratio in found.ratios} == {("a", "b")}


def test_one_uncounted_run_takes_away_the_flops_of_its_model_alone() -> None:
    every = {(label, 2.0): crossings(label, [(REACHED, 2.0)] * 6) for label in "ab"}
    first, *others = every["b", 2.0]
    every["b", 2.0] = [first.model_copy(update={"flops": None}), *others]
    found = judge_targets([2.0], dict.fromkeys("ab", 6), every, {}, seeds=6)
    a, b = found.reach
    assert a.flops
    assert b.flops is None
    assert b.tokens
    assert "flops" not in {ratio.measure for ratio in found.ratios}


def test_a_profile_is_the_share_of_problems_within_a_factor_of_the_best() -> None:
    draw = np.random.default_rng(2)
    targets, labels, seeds = (2.2, 2.1, 2.0), "abc", 5
    amounts = draw.lognormal(size=(len(targets), len(labels), seeds))
    solved = draw.random(amounts.shape) < 0.7
    every = [
        crossing
        for i, target in enumerate(targets)
        for j, label in enumerate(labels)
        for crossing in crossings(
            label, [(REACHED if solved[i, j, k] else SHORT, float(amounts[i, j, k])) for k in range(seeds)], target
        )
    ]
    found = collect_profile(labels, every, "tokens")
    assert found.problems == 15
    for factor in (1.0, 1.3, 2.0, 10.0):
        for j, label in enumerate(labels):
            within = 0
            for i in range(len(targets)):
                for k in range(seeds):
                    best = min((amounts[i, m, k] for m in range(3) if solved[i, m, k]), default=None)
                    within += bool(solved[i, j, k] and best is not None and amounts[i, j, k] <= factor * best)
            assert found.share(label, factor) == pytest.approx(within / 15)


WORST = [
    pytest.param(name, marks=[pytest.mark.slow] if not quick else [])
    for name, quick in {
        "equal": True,
        "equal, correlated, 60% end early": True,
        "equal, budgets 4 : 5, 30% end early": False,
        "scatter 4 : 1, 30% end early": False,
        "one model slow under a seed in three": False,
    }.items()
]


@pytest.mark.parametrize("name", WORST)
def test_models_that_get_there_first_equally_often_are_called_different_in_5_percent_of_studies(name: str) -> None:
    (setting,) = [own for own in settings() if (own.name, own.models, own.seeds) == (name, 2, 12)]
    found = simulate(setting, studies=150)
    chance = 2.5 * math.sqrt(0.05 * 0.95 / 150)
    assert found.called <= 0.05 + chance
    assert found.missed <= 0.05 + chance


def test_a_model_slower_by_two_scatters_is_found_by_twelve_seeds() -> None:
    (setting,) = [own for own in settings() if "slower by 2 scatters" in own.name and own.seeds == 12
                  and not own.censored]  # fmt: skip
    assert simulate(setting, studies=50).called > 0.8
