"""Plan a study: how many seeds, or how many items, it takes to find a difference of a given size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.config import Frozen
from zoo.experiments.judge.family import FEWEST_SEEDS, Family
from zoo.experiments.judge.power import POWER, power, seeds_needed
from zoo.experiments.judge.tukey import Array

MOST_ITEMS = 10**8


class PlannedPair(Frozen):
    """What a pair takes; None where no number suffices, or where none counts."""

    a: str
    b: str
    seeds: int | None
    """Number of seeds, with the items as they are."""
    items: int | None
    """Number of items like these, with the seeds as they are."""


class Plan(Frozen):
    """What it takes to find a true difference in four studies of five, all pairs together at the error rate."""

    difference: float
    power: float = POWER
    pairs: tuple[PlannedPair, ...]

    def most(self, what: str) -> int | None:
        """The number of seeds or items that suffices for all pairs; None if none does."""
        numbers = [getattr(pair, what) for pair in self.pairs]
        return None if None in numbers or not numbers else max(numbers)


def plan_study(labels: Sequence[tuple[str, str]], difference: float, family: Family, items: int, level: float) -> Plan:
    """Plan for every pair, from the variances that were measured.

    Args:
        labels: both models of every pair.
        difference: the true difference to find, above 0.
        family: the judgement of the measured study.
        items: number of its items.
    """
    planned, seeds = family.planned, family.seeds
    if planned is None:
        return Plan(
            difference=difference, pairs=tuple(PlannedPair(a=a, b=b, seeds=None, items=None) for a, b in labels)
        )
    documents = np.maximum(planned.documents - planned.interaction, 0)
    common: dict[str, Any] = {"models": family.models, "pooled": family.pooled, "level": level}
    wanted = np.full(len(labels), difference)
    by_seeds = (
        seeds_needed(
            wanted, FEWEST_SEEDS - 1, seed_variance=np.maximum(planned.seeds * seeds, TINY),
            document_variance=documents, documents=planned.documents_freedom + 1, **common,
        )
        if seeds
        else np.zeros(len(labels), dtype=int)
    )  # fmt: skip
    by_items = [
        _items_needed(
            difference, seeds, planned.seeds[place : place + 1], planned.documents[place], planned.documents_freedom,
            items, common,
        )
        for place in range(len(labels))
    ]  # fmt: skip
    return Plan(
        difference=difference,
        pairs=tuple(
            PlannedPair(a=a, b=b, seeds=int(number) or None, items=count or None)
            for (a, b), number, count in zip(labels, by_seeds, by_items, strict=True)
        ),
    )


TINY = 1e-300
"""Stands for a variance of 0, by which a share cannot be divided."""


def _items_needed(
    difference: float, seeds: int, by_seeds: Array, by_items: float, freedom: float, items: int, common: dict[str, Any]
) -> int:
    """Least number of items that finds the difference; 0 where none does, or where items do not count."""
    if not freedom:
        return 0

    def often(number: int) -> float:
        own, scale = number / items, float(seeds or 1)
        variance = np.maximum(by_seeds * scale, TINY)
        found = power(
            difference, max(scale, 2.0), seed_variance=variance * max(scale, 2.0) / scale,
            document_variance=by_items / own, documents=max(freedom * own, 1) + 1, **common,
        )  # fmt: skip
        return float(found[0])

    if often(MOST_ITEMS) < POWER:
        return 0
    low, high = 1, MOST_ITEMS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if often(middle) >= POWER else (middle, high)
    return high
