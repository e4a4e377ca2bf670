"""Outcomes that are solved or not: counts k of n with exact intervals, and exact tests.

What "solved" means is declared beforehand; it is never read off the scores. Two models with the same seeds are compared
by the seeds that only one of them solves (McNemar 1947, exact); others by Barnard's test (1945, Nature 156), which is
exact for any common probability. p is adjusted for all pairs (Holm 1979, Scandinavian Journal of Statistics 6).
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from zoo.config import Frozen
from zoo.errors import UsageError
from zoo.experiments.judge.exact import coin_chance, share_interval
from zoo.experiments.judge.letters import compact_letters
from zoo.experiments.judge.tukey import LEVEL

FEWEST = 5
"""Least number of seeds for letters."""
MOST = 100
"""Largest number of seeds that is tried for a plan."""
COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt
}  # fmt: skip


@dataclass(frozen=True)
class Goal:
    """What solved means: accuracy>=0.99."""

    measure: str
    comparison: str
    value: float

    def is_met(self, score: float) -> bool:
        """Whether a score solves the task."""
        return COMPARE[self.comparison](score, self.value)

    def __str__(self) -> str:
        return f"{self.measure}{self.comparison}{np.format_float_positional(self.value, trim='-')}"


def parse_goal(text: str) -> Goal:
    """Parse 'accuracy>=0.99'.

    Raises:
        UsageError: it is not a name, a comparison and a number.
    """
    found = re.fullmatch(r"\s*(.+?)\s*(>=|<=|>|<)\s*([^<>=]+?)\s*", text)
    try:
        if found:
            return Goal(found[1], found[2], float(found[3]))
    except ValueError:
        pass
    raise UsageError(
        f"'{text}' does not say what solved means: give a score, a comparison and a number: accuracy>=0.99."
    )


class Count(Frozen):
    """How many seeds of a model solved the task."""

    label: str
    solved: int
    seeds: int
    low: float
    high: float
    letters: str


class SolvedPair(Frozen):
    """Two models, the one that solves more first; p is adjusted for all pairs."""

    a: str
    b: str
    p: float
    differ: bool


class Solved(Frozen):
    """What was solved, under how many seeds."""

    goal: str
    method: str
    counts: tuple[Count, ...]
    pairs: tuple[SolvedPair, ...]
    needed: int | None
    """Least number of seeds with which all against none would be told apart; None if 100 do not suffice."""
    verdict: str


def judge_solved(
    goal: Goal, outcomes: Sequence[tuple[str, Sequence[bool]]], *, paired: bool, level: float = LEVEL
) -> Solved:
    """Judge the outcomes of every model (label, solved under each seed)."""
    ranked = sorted(outcomes, key=lambda own: -sum(own[1]) / len(own[1]))
    raw = {(a[0], b[0]): _chance(a[1], b[1], paired) for a, b in combinations(ranked, 2)}
    adjusted = _adjust(raw)
    fewest = min(len(own) for _, own in outcomes)
    pairs = tuple(SolvedPair(a=a, b=b, p=p, differ=p < level and fewest >= FEWEST) for (a, b), p in adjusted.items())
    needed = seeds_needed(len(pairs), paired=paired, level=level)
    letters: dict[str, str] = {}
    if fewest >= FEWEST and needed is not None and fewest >= needed:
        letters = compact_letters([label for label, _ in ranked], [(pair.a, pair.b) for pair in pairs if pair.differ])
    counts = []
    for label, own in ranked:
        low, high = share_interval(sum(own), len(own), level)
        counts.append(
            Count(label=label, solved=sum(own), seeds=len(own), low=low, high=high, letters=letters.get(label, ""))
        )
    method = "exact McNemar over the seeds" if paired else "Barnard"
    return Solved(
        goal=str(goal),
        method=method,
        counts=tuple(counts),
        pairs=pairs,
        needed=needed,
        verdict=_say(counts, pairs, fewest, needed, goal),
    )


def _chance(a: Sequence[bool], b: Sequence[bool], paired: bool) -> float:
    if paired:
        return coin_chance(
            sum(x and not y for x, y in zip(a, b, strict=True)), sum(y and not x for x, y in zip(a, b, strict=True))
        )
    return _barnard(sum(a), len(a), sum(b), len(b))


@lru_cache
def _barnard(first: int, of_first: int, second: int, of_second: int) -> float:
    """Two-sided p of Barnard's test."""
    from scipy.stats import barnard_exact  # late import: scipy.stats takes half a second

    if first * of_second == second * of_first:
        return 1.0
    return float(min(1.0, barnard_exact([[first, second], [of_first - first, of_second - second]]).pvalue))


def _adjust(raw: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's adjusted p of every pair, in the order of the pairs."""
    adjusted, largest = {}, 0.0
    for place, pair in enumerate(sorted(raw, key=lambda pair: raw[pair])):
        largest = max(largest, min(1.0, raw[pair] * (len(raw) - place)))
        adjusted[pair] = largest
    return {pair: adjusted[pair] for pair in raw}


def seeds_needed(pairs: int, *, paired: bool, level: float = LEVEL) -> int | None:
    """Least number of seeds with which one model that always solves is told from one that never does."""
    for seeds in range(2, MOST):
        p = coin_chance(seeds, 0) if paired else _barnard(seeds, seeds, 0, seeds)
        if p * max(pairs, 1) < level:
            return seeds
    return None


def _say(counts: Sequence[Count], pairs: Sequence[SolvedPair], fewest: int, needed: int | None, goal: Goal) -> str:
    """The verdict in words."""
    listed = ", ".join(f"{count.label} under {count.solved} of {count.seeds} seeds" for count in counts)
    said = f"Solved ({goal}): {listed}."
    differ = [pair for pair in pairs if pair.differ]
    if differ:
        return f"{said} " + " ".join(
            f"{pair.a} solves it more often than {pair.b} (p = {pair.p:.3f})." for pair in differ
        )
    takes = max(needed or MOST, FEWEST)
    if fewest < takes:
        return f"{said} No difference can be shown with so few seeds: it takes {takes}, even of all against none."
    return f"{said} No two models can be told apart."
