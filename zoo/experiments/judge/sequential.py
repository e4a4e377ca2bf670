"""Stop a comparison when it is decided: planned looks at growing numbers of seeds, that share the error between them.

Every look judges all pairs by simultaneous intervals, each look at an equal part of the error (constant levels: Pocock
1977, Biometrika 64). With probability 1 - alpha the intervals of all looks hold together, by Bonferroni, whatever made
the study go on or stop; so a verdict of any look stays. Other comparisons of the same seeds have spent their error
before; the looks share what is left of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from zoo.config import Frozen
from zoo.errors import UsageError
from zoo.experiments.judge.estimates import FEW_DOCUMENTS, FEW_STRETCHES, Pair
from zoo.experiments.records.study import Look
from zoo.experiments.study.config import StudyConfig

Reason = Literal["decided", "documents", "spent"]
DECIDED = ("better", "worse", "equal")
LEAST_LEVEL = 1e-9
"""Level that is nothing but rounding."""


class Sequential(Frozen):
    """The looks of a comparison, and why it stopped."""

    looks: tuple[int, ...]
    """Numbers of seeds at which it was planned to look."""
    taken: tuple[int, ...]
    before: tuple[int, ...] = ()
    """Numbers of seeds at which other comparisons judged the same models before."""
    spent: float = 0.0
    """Error that these have spent."""
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
        shared = "so that all looks and pairs together err as rarely as one"
        if self.before:
            before = ", ".join(map(str, self.before))
            shared = (
                f"what {self.spent:.0%} for looks at {before} seeds before leave, so that all together err as rarely"
            )
        return (
            f"Looks at {looks} seeds, each with an error of {100 * self.level:.2g}%, {shared}. A verdict stays as it "
            "was found; intervals are those of the last look."
        )


def look_level(alpha: float, looks: Sequence[int], spent: float = 0.0) -> float:
    """The error of one look: an equal part of what was not spent before."""
    return (alpha - spent) / len(looks)


def study_level(study: StudyConfig, looked: Sequence[Look]) -> float:
    """The error of the intervals of a study, or of one of its looks.

    Raises:
        UsageError: earlier looks have spent all of it.
    """
    if not study.looks:
        return study.alpha
    spent = error_spent(looked)
    level = look_level(study.alpha, study.looks, spent)
    if level <= LEAST_LEVEL:
        seeds = ", ".join(str(number) for look in looked for number in look.seeds)
        raise UsageError(
            f"These models were judged before under the same seeds ({seeds} of them), with an error of {spent:.2g} in "
            f"all: nothing of alpha={study.alpha:g} is left for looks until it is decided. Give --alpha "
            f"{min(2 * spent, 0.49):.2g}, of which they leave a part, or other seeds in a study file "
            f"(seeds = [{max(study.seeds) + 1}, {max(study.seeds) + 2}, ...])."
        )
    return level


def error_spent(looked: Sequence[Look]) -> float:
    """The error that earlier looks have spent together."""
    return sum(look.alpha for look in looked)


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
