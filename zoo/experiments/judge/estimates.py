"""Estimates: a model's mean loss with its interval, and a pair's difference with its verdict."""

from dataclasses import dataclass

from zoo.experiments.judge.criterion import Verdict

FEWEST_STRETCHES = 50
"""Least effective number of stretches; with fewer, 12 waves are not slow enough, or the memory is too long."""
SPLIT_SEEDS = "the seeds are split in two"
FEWEST_DOCUMENTS = 1.5
"""Least effective number of documents; with fewer, the split says nothing about other documents."""
FEW_DOCUMENTS = "one document is all or nearly all of what is scored"
FEW_STRETCHES = f"fewer than {FEWEST_STRETCHES} independent stretches"


@dataclass(frozen=True)
class Estimate:
    """A model's mean loss, nats a token, and its 95% interval, or the reason why that is withheld.

    `effective`: effective number of independent documents, or stretches of a stream.
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
    """`a` against `b`; `p` is adjusted for all pairs, the interval and `p_permutation` (sign flips) are not.

    `joint_low` and `joint_high` are simultaneous for all pairs and decide the verdict of a study with a margin; `less`:
    they lie inside of the margin, so a better model is better by less than that.
    """

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
    joint_low: float | None = None
    joint_high: float | None = None
    less: bool = False
