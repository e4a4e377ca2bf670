"""What decides about a pair: an error rate for all pairs together, and a margin within which models count as equal.

One family of simultaneous intervals decides everything: with probability 1 - level all of them contain the true
differences, so no statement that they make is wrong, whether it says *better* or *equal* (Berger and Hsu 1996,
Statistical Science 11; Goeman, Solari and Stijnen 2010, Statistics in Medicine 29).
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo.experiments.judge.tukey import LEVEL

Verdict: TypeAlias = Literal["better", "worse", "equal", "undecided", "none"]


@dataclass(frozen=True)
class Criterion:
    """The error rate of all verdicts of a comparison together, and the margin; None: nothing counts as equal."""

    level: float = LEVEL
    margin: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.level < 0.5:
            raise ValueError(f"the level must be between 0 and 0.5; got {self.level}")
        if self.margin is not None and not 0 < self.margin < float("inf"):
            raise ValueError(f"the margin must be greater than 0; got {self.margin}")

    def within(self, low: float, high: float) -> bool:
        """Whether an interval lies inside of ± margin."""
        return self.margin is not None and -self.margin <= low and high <= self.margin

    def decide(self, low: float, high: float) -> Verdict:
        """The verdict of a simultaneous interval: the lower loss is better."""
        if low > 0:
            return "worse"
        if high < 0:
            return "better"
        return "equal" if self.within(low, high) else "undecided"
