"""Stop a comparison when it is decided: planned looks at growing numbers of seeds, that share the error between them.

Every look judges all pairs by simultaneous intervals, each look at an equal part of the error (constant levels: Pocock
1977, Biometrika 64). With probability 1 - alpha the intervals of all looks hold together, by Bonferroni, whatever made
the study go on or stop; so a verdict of any look stays. Looks that were made before and not planned take a part too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from zoo.config import Frozen
from zoo.experiments.judge.estimates import FEW_DOCUMENTS, FEW_STRETCHES, Pair

Reason = Literal["decided", "documents", "spent"]
DECIDED = ("better", "worse", "equal")


class Sequential(Frozen):
    """The looks of a comparison, and why it stopped."""

    looks: tuple[int, ...]
    """Numbers of seeds at which it was planned to look."""
    taken: tuple[int, ...]
    unplanned: tuple[int, ...]
    """Other numbers of seeds at which the same comparison was judged before."""
    level: float
    """Error of the intervals of one look."""
    reason: Reason
    """decided: every pair is; documents: more seeds would not decide the open ones; spent: the last seed is."""

    @property
    def asks_for_seeds(self) -> bool:
        """Whether more seeds could decide an open pair."""
        return self.reason == "spent"

    def describe(self) -> str:
        """Say at how many seeds it stopped, and why."""
        spent, most = self.taken[-1], self.looks[-1]
        why = {
            "decided": "every pair is decided",
            "documents": "the pairs that are open would stay open with more seeds: new documents alone could turn them",
            "spent": "the last seed is spent" if spent == most else "it was stopped there",
        }[self.reason]
        return f"Stopped at {spent} of at most {most} seeds: {why}."

    def describe_design(self) -> str:
        """Say which looks were planned, and how they share the error."""
        looks = ", ".join(map(str, self.looks))
        other = f" and at {', '.join(map(str, self.unplanned))} before, which was not planned" if self.unplanned else ""
        return (
            f"Looks at {looks} seeds{other}, each with an error of {100 * self.level:.2g}%, so that all looks and "
            "pairs together err as rarely as one. A verdict stays as it was found; intervals are those of the last "
            "look."
        )


def look_level(alpha: float, looks: Sequence[int], unplanned: Sequence[int]) -> float:
    """The error of one look: an equal part for every look, planned or not."""
    return alpha / (len(looks) + len(unplanned))


def decide_over_looks(looks: Mapping[int, Sequence[Pair]]) -> tuple[tuple[Pair, ...], dict[tuple[str, str], int]]:
    """Return the pairs of the last look with the verdict of the look that decided them, and (a, b) -> that look.

    Args:
        looks: number of seeds -> the pairs of that look, judged at its level, the first look first.
    """
    decided: dict[tuple[str, str], tuple[int, Pair]] = {}
    for number, pairs in looks.items():
        for pair in pairs:
            if pair.verdict in DECIDED:
                decided.setdefault((pair.a, pair.b), (number, pair))
    last = looks[max(looks)]
    kept = []
    for pair in last:
        found = decided.get((pair.a, pair.b))
        kept.append(replace(pair, verdict=found[1].verdict, less=found[1].less, seeds_needed=None) if found else pair)
    return tuple(kept), {names: number for names, (number, _) in decided.items()}


def find_reason(pairs: Sequence[Pair]) -> Reason:
    """Why to stop with these pairs: "spent" where more seeds could decide one of them."""
    open_ = [pair for pair in pairs if pair.verdict not in DECIDED]
    if not open_:
        return "decided"
    return "spent" if any(_asks_for_seeds(pair) for pair in open_) else "documents"


def _asks_for_seeds(pair: Pair) -> bool:
    """Whether more seeds could decide an open pair."""
    if pair.withheld:
        return pair.withheld not in (FEW_DOCUMENTS, FEW_STRETCHES)
    return pair.verdict == "none" or pair.seeds_needed is not None
