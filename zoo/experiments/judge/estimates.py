"""Estimates: a model's mean loss with its interval, and a pair's difference with its verdict."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["better", "worse", "undecided", "none"]

FEWEST_STRETCHES = 50
"""Independent stretches, as the data show them; with fewer, 12 waves are not slow enough, or the memory is too long."""
SPLIT_SEEDS = "the seeds are split in two"
FEWEST_DOCUMENTS = 1.5
"""Documents of equal length that the scored ones count for; with fewer, nothing is known about other documents."""
FEW_DOCUMENTS = "one document is all or nearly all of what is scored"
FEW_STRETCHES = f"fewer than {FEWEST_STRETCHES} independent stretches"


@dataclass(frozen=True)
class Estimate:
    """A model's mean loss, nats a token, and its 95% interval, or why that is withheld.

    `effective`: how many independent documents, or stretches of a stream, those of the split count for.
    """

    mean: float
    low: float | None
    high: float | None
    seeds_se: float | None
    documents_se: float | None
    effective: float
    withheld: str


@dataclass(frozen=True)
class Pair:
    """`a` against `b`: `p` allows for all pairs, the interval and the `p_permutation` of sign flips do not."""

    a: str
    b: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_permutation: float | None
    seeds_se: float | None
    documents_se: float | None
    effective: float
    withheld: str
    verdict: Verdict
    seeds_needed: int | None
