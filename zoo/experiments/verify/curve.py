"""Verify the curve of a run against its schedule and its result."""

import math
from collections.abc import Iterator
from itertools import pairwise

from zoo.experiments.judge.solved import parse_goal
from zoo.experiments.records.run import Run
from zoo.experiments.verify.diff import TOLERANCE, compare_values, describe
from zoo.training.goal import is_solved
from zoo.training.loop import READ_EVERY, Settings


def curve_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check curve.jsonl against its schedule and result.json, but no loss between the first and the best point."""
    result, curve = run.result, run.curve
    yield from _point_differences(run, settings)
    best = min(curve, key=lambda point: point.validation_loss, default=None)
    yield from compare_values("best step", result.best_step, best and best.step)
    if result.diverged_at is not None:
        yield from _divergence_differences(run, result.diverged_at)
    elif best is None:
        yield "the curve has no point"
    else:
        if result.status in ("finished", "pruned"):
            name, losses = "validation loss (of the curve)", (result.validation_loss, best.validation_loss)
            yield from compare_values(name, *losses, tolerance=TOLERANCE)
        yield from _end_differences(run, settings)
        yield from _pruning_differences(run)
        yield from _solving_differences(run)


def _point_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check the order and the steps of the points, and that all but the first have a training loss."""
    curve, end = run.curve, settings.steps
    if run.result.diverged_at is not None:
        end = run.result.diverged_at - 1
    elif run.result.status == "pruned" or run.result.solved_at is not None:
        end = run.result.steps
    for index, (before, point) in enumerate(pairwise(curve), 1):
        if point.step <= before.step or point.seconds < before.seconds:
            yield f"point {index} of the curve is not after the one before it: step {point.step}, was {before.step}"
    if run.result.counted is not None:
        yield from compare_values("steps of the curve", [point.step for point in curve], [0])
    elif settings.steps is not None:
        steps = [step for step in _evaluation_steps(settings, settings.steps) if end is not None and step <= end]
        yield from compare_values("steps of the curve", [point.step for point in curve], steps)
    elif curve and (curve[0].step != 0 or (end is not None and curve[-1].step > end)):
        yield describe("steps of the curve", [point.step for point in curve], f"from 0 to {end}")
    for index, point in enumerate(curve):
        if (point.train_loss is None) != (index == 0):
            yield f"train loss of point {index} of the curve: recorded {point.train_loss}"
        if index == 0 and point.auxiliary_loss is not None:
            yield f"auxiliary loss of point 0 of the curve, before training: recorded {point.auxiliary_loss}"


def _divergence_differences(run: Run, diverged_at: int) -> Iterator[str]:
    """Check the end of a diverged run: it stops at the next reading of losses, fewer than READ_EVERY steps later."""
    result, curve = run.result, run.curve
    if not diverged_at <= result.steps < diverged_at + READ_EVERY:
        yield describe("steps", result.steps, f"{diverged_at} and fewer than {READ_EVERY} more")
    if curve and result.seconds < curve[-1].seconds:
        yield describe("seconds", result.seconds, f"{curve[-1].seconds} or more")


def _end_differences(run: Run, settings: Settings) -> Iterator[str]:
    """Check that any other run ends with the last point of its curve."""
    result, last = run.result, run.curve[-1]
    yield from compare_values("steps", result.steps, last.step)
    yield from compare_values("tokens", result.tokens, last.tokens)
    early = result.status == "pruned" or result.counted is not None or result.solved_at is not None
    due = 0.0 if early else settings.seconds or 0.0
    if result.seconds != last.seconds or due > last.seconds:
        yield describe("seconds", result.seconds, f"{last.seconds} of the curve, {settings.seconds} of the budget")


def _pruning_differences(run: Run) -> Iterator[str]:
    """Check that a run was pruned at the first evaluation at which it had to be, and at no other."""
    limits, best = run.recorded.run.prune_above, math.inf
    last = len(run.curve) - 1
    for index, point in enumerate(run.curve):
        best = min(best, point.validation_loss)
        limit = limits[index] if index < len(limits) else None
        due = limit is not None and best > limit
        if due != (run.result.status == "pruned" and index == last) and run.result.status != "refused":
            yield f"status: recorded {run.result.status}, but its best loss at step {point.step} is {best} of {limit}"


def _solving_differences(run: Run) -> Iterator[str]:
    """Check that a run ended when it had solved its task, if it was to, and that scores stand where they are needed."""
    task, training = run.recorded.data.task, run.recorded.run.training
    scores = [point.score for point in run.curve if point.score is not None]
    wanted = task is not None and training.stop_when_solved
    yield from compare_values("scores of the curve", len(scores), len(run.curve) if wanted else 0)
    if task is None or not wanted or len(scores) != len(run.curve):
        return
    is_met = parse_goal(task.goal).is_met
    solved = (point.step for index, point in enumerate(run.curve, 1) if is_solved(scores[:index], is_met))
    yield from compare_values("step at which the task was solved", run.result.solved_at, next(solved, None))


def _evaluation_steps(settings: Settings, steps: int) -> list[int]:
    """The steps after which `fit` evaluates, where the budget is in steps."""
    found, due, step = list[int](), 0, 0
    while step <= steps:
        share = settings.spent(step, 0) * settings.evaluations + 1e-9
        if share >= due:
            found.append(step)
            due = int(share) + 1
        step = max(step + 1, due * steps // settings.evaluations - 1)  # skips most steps of a long run
    return found
