"""Compare what two models take to a loss, where runs may end before they get there.

A run that ends above the loss is censored there. The verdict of a pair counts the seeds under which it is known which
model got there first, and is an exact sign test; all pairs and losses of one measure are a family (Holm 1979). Whatever
the distribution of the crossings, and however unlike the two models scatter, two that get there first equally often
are called different in at most 5% of studies.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from zoo.config import Frozen
from zoo.experiments.judge.censored import Typical, adjust, find_typical, sign_test
from zoo.experiments.judge.crossings import MEASURES, Crossing, Measure
from zoo.experiments.judge.tukey import LEVEL


class Ratio(Frozen):
    """What model `a` takes to reach a loss over what `b` takes, under the same seed."""

    a: str
    b: str
    target: float
    measure: Measure
    known: int
    """Number of runs in which it is known which model got there first."""
    first: int
    """Number of these in which `a` did."""
    ratio: Typical | None
    """Over these runs; None if there are none."""
    p: float | None
    """Adjusted for all pairs and losses of the measure; None where runs are not independent."""
    verdict: Literal["fewer", "more", "undecided", "none"]


def judge_ratios(
    losses: Sequence[float],
    pairs: Sequence[tuple[str, str]],
    crossings: Mapping[tuple[str, float], Sequence[Crossing]],
    *,
    independent: bool = True,
    possible: bool,
) -> tuple[Ratio, ...]:
    """Compare all pairs at all losses; the p-values of a measure are adjusted for all of them.

    Args:
        crossings: (label, loss) -> those of all runs.
        independent: whether runs are: not where several share a seed or a split.
        possible: whether there are enough seeds, and independent runs, for a verdict.
    """
    found: dict[tuple[float, str, str], dict[Measure, Ratio]] = {}
    for measure in MEASURES:
        own = [
            ratio
            for loss in losses
            for a, b in pairs
            if (ratio := _compare(crossings[a, loss], crossings[b, loss], measure, independent=independent))
        ]
        for ratio, p in zip(own, adjust([sign_test(ratio.first, ratio.known) for ratio in own]), strict=True):
            better: Literal["fewer", "more"] = "fewer" if 2 * ratio.first > ratio.known else "more"
            verdict = "none" if not possible else better if p < LEVEL else "undecided"
            update = {"p": p if independent else None, "verdict": verdict}
            found.setdefault((ratio.target, ratio.a, ratio.b), {})[measure] = ratio.model_copy(update=update)
    return tuple(ratio for of_pair in found.values() for ratio in of_pair.values())


def _compare(
    first: Sequence[Crossing], second: Sequence[Crossing], measure: Measure, *, independent: bool
) -> Ratio | None:
    """Compare two models run by run, without p and verdict; None if some run lacks the measure."""
    if any(getattr(crossing, measure) is None for crossing in (*first, *second)):
        return None
    others = {(crossing.seed, crossing.split): crossing for crossing in second}
    matched = [(one, others[one.seed, one.split]) for one in first if (one.seed, one.split) in others]
    known = [
        (one, other)
        for one, other in matched
        if _is_first(one, other, measure) != _is_first(other, one, measure)
    ]  # fmt: skip
    bounds = [
        (_divide(one.at_least(measure), other.at_most(measure)), _divide(one.at_most(measure), other.at_least(measure)))
        for one, other in known
    ]
    return Ratio(
        a=first[0].label,
        b=second[0].label,
        target=first[0].target,
        measure=measure,
        known=len(known),
        first=sum(_is_first(one, other, measure) for one, other in known),
        ratio=find_typical(bounds, ratios=True, independent=independent) if known else None,
        p=None,
        verdict="none",
    )


def _is_first(one: Crossing, other: Crossing, measure: Measure) -> bool:
    """Whether a run got there no later than another one, which was trained at least as far."""
    return one.ended == "reached" and one.at_most(measure) <= other.at_least(measure)


def _divide(amount: float, by: float) -> float:
    """Divide two bounds of crossings, of which one at most is infinite; more than nothing is infinitely more."""
    return amount / by if by else math.inf
