"""When the learning curve of a run first reaches a validation loss, in steps, tokens, seconds and FLOPs.

Between the last evaluation above the loss and the first at or below it the curve is taken for a straight line, for all
models and measures alike. FLOPs are the run's, in proportion to its target tokens.
"""

import math
from typing import Literal, TypeAlias, get_args

from zoo.config import Frozen
from zoo.experiments.records.run import CurvePoint, Run

Measure: TypeAlias = Literal["steps", "tokens", "flops", "seconds"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


class Crossing(Frozen):
    """The first crossing of a validation loss by one run; of a run that did not get there, how far it was trained."""

    label: str
    seed: int
    split: int | None
    """Number of its split, from 1; None with a single split."""
    target: float
    ended: Literal["reached", "short", "diverged"]
    """Short: the run ended above the loss, so the crossing lies beyond these numbers. Diverged: it never comes."""
    steps: float
    tokens: float
    seconds: float
    flops: float | None
    """None where the FLOPs of the run were not counted."""

    def at_least(self, measure: Measure) -> float:
        """Return the lower bound of the crossing; infinite if it never comes."""
        return math.inf if self.ended == "diverged" else float(getattr(self, measure))

    def at_most(self, measure: Measure) -> float:
        """Return the upper bound of the crossing; infinite if the run did not get there."""
        return float(getattr(self, measure)) if self.ended == "reached" else math.inf


def find_crossing(run: Run, target: float, split: int | None = None) -> Crossing:
    """Find where the curve of a run that finished or diverged first reaches a loss."""
    result, reached = run.result, _find_on(run.curve, target)
    ended: Literal["short", "diverged"] = "diverged" if result.status == "diverged" else "short"
    steps, tokens, seconds = reached or (float(result.steps), float(result.tokens), result.seconds)
    share = tokens / result.tokens if result.tokens else 0.0
    return Crossing(
        label=run.label,
        seed=run.recorded.run.seed,
        split=split,
        target=target,
        ended="reached" if reached else ended,
        steps=steps,
        tokens=tokens,
        seconds=seconds,
        flops=None if result.flops is None else result.flops * share,
    )


def _find_on(curve: tuple[CurvePoint, ...], target: float) -> tuple[float, float, float] | None:
    """Return steps, tokens and seconds of the first crossing; None if no evaluation is at or below the loss."""
    for place, point in enumerate(curve):
        if point.validation_loss <= target:
            before = curve[max(place - 1, 0)]
            fallen = before.validation_loss - point.validation_loss
            share = (before.validation_loss - target) / fallen if place else 1.0
            return (
                before.step + share * (point.step - before.step),
                before.tokens + share * (point.tokens - before.tokens),
                before.seconds + share * (point.seconds - before.seconds),
            )
    return None
