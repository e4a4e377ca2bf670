"""Judge every pair of models: intervals, p, verdict, and the number of seeds that would decide it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zoo.experiments.judge.criterion import Criterion, Verdict
from zoo.experiments.judge.estimates import SPLIT_SEEDS, Pair
from zoo.experiments.judge.family import FEWEST_SEEDS, Family, planned_seeds
from zoo.experiments.judge.seeds import fewest_to_reject, sign_flips
from zoo.experiments.judge.tukey import Array
from zoo.experiments.judge.uncertainty import Uncertainty


def judge_pairs(
    names: list[tuple[str, str]],
    by_seed: Array,
    paired: Uncertainty,
    family: Family,
    withheld: Sequence[str],
    criterion: Criterion,
    *,
    joint: bool = False,
) -> tuple[Pair, ...]:
    """Judge all P pairs, from their differences under every seed (P, n).

    Args:
        joint: give simultaneous intervals even without a margin.
    """
    seeds, level, margin = by_seed.shape[1], criterion.level, criterion.margin
    differences = by_seed.mean(1)
    flipped = sign_flips(by_seed, level)
    halves = family.half_widths(level) if (joint or margin is not None) and family.planned is not None else None
    pairs = []
    chances = _pair_chances(family, flipped, seeds, withheld, level)
    intervals = find_intervals(paired, differences, withheld, level)
    for i, ((a, b), difference, p, why) in enumerate(zip(names, differences.tolist(), chances, withheld, strict=True)):
        low, high = intervals[i]
        seeds_se, documents_se = paired.standard_errors(i)
        found: Verdict = "none" if p is None else "undecided"
        if p is not None and p < level:
            found = "better" if difference < 0 else "worse"
        joint_low, joint_high, less = None, None, False
        if halves is not None and not why:
            joint_low, joint_high = difference - float(halves[i]), difference + float(halves[i])
            found, less = criterion.decide(joint_low, joint_high), criterion.within(joint_low, joint_high)
        pairs.append(
            Pair(
                a=a,
                b=b,
                difference=difference,
                low=low,
                high=high,
                p=p,
                p_permutation=None if flipped is None else float(flipped[i]),
                seeds_se=seeds_se,
                documents_se=documents_se,
                effective=float(paired.effective[i]),
                withheld=why,
                verdict=found,
                seeds_needed=None,
                joint_low=joint_low,
                joint_high=joint_high,
                less=less,
            )
        )
    return _plan(pairs, family, criterion)


def _plan(pairs: Sequence[Pair], family: Family, criterion: Criterion) -> tuple[Pair, ...]:
    """Add to every open pair the number of seeds that would decide it, if its true difference is the measured one.

    With a margin a pair is decided once its difference is found, or found to be within the margin: the nearer of both.
    """
    open_ = np.array([pair.verdict == "undecided" and not pair.withheld for pair in pairs], dtype=bool)
    aim = np.array([abs(pair.difference) for pair in pairs])
    if criterion.margin is not None:
        aim = np.maximum(aim, criterion.margin - aim)
    needed = planned_seeds(aim, open_ & (aim > 0), family, criterion.level)
    return tuple(
        replace(pair, seeds_needed=max(number, family.seeds + 1)) if number else pair
        for pair, number in zip(pairs, needed.tolist(), strict=True)
    )


def _pair_chances(
    family: Family, flipped: Array | None, seeds: int, withheld: Sequence[str], level: float
) -> list[float | None]:
    """The p of every pair; None where no verdict is possible.

    Where the seeds are split in two, the sign flips, corrected for all pairs, must agree: they assume no distribution
    over the seeds, but ignore documents.
    """
    if family.planned is None:
        return [None] * len(withheld)
    p: list[float | None] = list(family.p.tolist())
    for i, why in enumerate(withheld):
        if why == SPLIT_SEEDS and flipped is not None and seeds >= fewest_to_reject(len(withheld), level):
            p[i] = max(float(family.p[i]), min(1.0, len(withheld) * float(flipped[i])))
        elif why:
            p[i] = None
    return p


def find_intervals(
    uncertainty: Uncertainty, means: Array, withheld: Sequence[str], level: float
) -> list[tuple[float | None, float | None]]:
    """The interval of every mean; (None, None) where it is withheld or there are too few seeds."""
    few = uncertainty.fewest_seeds < FEWEST_SEEDS and not uncertainty.fixed
    halves = uncertainty.half_widths(level)
    ends = zip((means - halves).tolist(), (means + halves).tolist(), withheld, strict=True)
    return [(None, None) if few or why else (low, high) for low, high, why in ends]
