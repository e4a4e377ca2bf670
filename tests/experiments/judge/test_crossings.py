"""When a curve first reaches a loss: on a straight line between two evaluations, alike for every measure."""

from pathlib import Path
from typing import Any

import pytest

from zoo.experiments.judge.crossings import MEASURES, find_crossing
from zoo.experiments.records.run import CurvePoint, Run, read_run

STORED = Path(__file__).resolve().parents[2] / "cli/older/stored"
CURVE = [(0, 3.0), (10, 2.5), (20, 2.1), (30, 2.3), (40, 2.0)]


@pytest.fixture
def run() -> Run:
    """A run of 40 steps, 1,000 tokens and 8 seconds, of 4,000 FLOPs."""
    return change(read_run(next(STORED.glob("bigram-seed1-*"))), CURVE)


def change(run: Run, curve: list[tuple[int, float]], **result: Any) -> Run:
    points = tuple(
        CurvePoint(step=step, tokens=25 * step, seconds=0.2 * step, train_loss=None, validation_loss=loss)
        for step, loss in curve
    )
    values = {"status": "finished", "steps": 40, "tokens": 1000, "seconds": 8.0, "flops": 4000} | result
    return run.model_copy(update={"curve": points, "result": run.result.model_copy(update=values)})


@pytest.mark.parametrize(
    ("target", "step"), [(2.9, 2.0), (2.5, 10.0), (2.3, 15.0), (2.1, 20.0), (2.05, 38 + 1 / 3), (2.0, 40.0), (3.5, 0.0)]
)
def test_a_loss_is_first_reached_between_the_evaluations_around_it(target: float, step: float, run: Run) -> None:
    found = find_crossing(run, target)
    assert found.ended == "reached"
    assert found.steps == pytest.approx(step)
    assert (found.tokens, found.seconds, found.flops) == pytest.approx((25 * step, 0.2 * step, 100 * step))
    assert all(found.at_least(measure) == found.at_most(measure) for measure in MEASURES)


def test_a_run_that_ends_above_the_loss_takes_longer_than_it_was_trained(run: Run) -> None:
    found = find_crossing(run, 1.9)
    assert (found.ended, found.steps, found.tokens, found.flops, found.seconds) == ("short", 40, 1000, 4000, 8.0)
    assert (found.at_least("tokens"), found.at_most("tokens")) == (1000, float("inf"))


def test_a_diverged_run_never_gets_there_unless_it_did_before(run: Run) -> None:
    diverged = change(run, CURVE, status="diverged", diverged_at=41)
    assert find_crossing(diverged, 1.9).at_least("steps") == float("inf")
    assert find_crossing(diverged, 2.5).at_most("steps") == 10.0


def test_flops_that_were_not_counted_are_none_and_the_other_measures_stay(run: Run) -> None:
    found = find_crossing(change(run, CURVE, flops=None), 2.5)
    assert (found.flops, found.steps) == (None, 10.0)


def test_seconds_follow_the_clock_of_the_curve_and_not_the_share_of_steps(run: Run) -> None:
    points = [point.model_copy(update={"seconds": float(point.step**2)}) for point in run.curve]
    found = find_crossing(run.model_copy(update={"curve": tuple(points)}), 2.3)
    assert found.seconds == pytest.approx((100 + 400) / 2)
