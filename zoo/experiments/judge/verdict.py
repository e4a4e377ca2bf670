"""Say in words what the pairs of a comparison show: which model is better, which are equal, which are open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zoo.experiments.judge.rows import PairRow
from zoo.experiments.judge.tukey import LEVEL

MOST_NAMED, NAMED_OF_MANY = 12, 6
"""Most names that a sentence lists, and how many it lists of more."""


@dataclass(frozen=True)
class Wording:
    """The words around a verdict: what was counted, after which budget, and the unit of a difference."""

    over: str
    """What was counted: 5 seeds."""
    after: str = ""
    """The budget, with a space before it: " after 2,000 steps"."""
    per: str = "nats per token"
    unit: float = 1.0
    """Size of the unit: differences are divided by it."""
    level: float = LEVEL
    margin: float | None = None
    seeds: str = ""
    """A word after a number of seeds that would be needed, where `over` ends with another unit: " seeds"."""
    digits: int = 4

    @property
    def percent(self) -> str:
        """The share of studies in which an interval holds: 95%."""
        return percent(self.level)

    @property
    def within(self) -> str:
        """The margin: 0.005 nats per token."""
        return f"{(self.margin or 0.0) / self.unit:g} {self.per}"


def percent(level: float) -> str:
    """The share of studies in which an interval of this level holds: 0.05 -> 95%."""
    return f"{100 * (1 - level):.3g}%"


def say_verdict(best: str, pairs: Sequence[PairRow], words: Wording) -> list[str]:
    """Say how the best model stands to the others, a sentence for each kind of verdict."""
    said: list[str] = []
    for say in (_open, _equal, _better):
        said += say(best, pairs, replace(words, after="") if said else words)  # the budget is named once
    return said + _without(best, pairs)


def pair_words(pair: PairRow) -> str:
    """The verdict of a pair in the words that tables use."""
    if pair.verdict == "undecided":
        about = f" (it would take about {pair.seeds_needed} seeds)" if pair.seeds_needed else ""
        return f"cannot be told apart{about}"
    if pair.verdict == "none":
        return f"no verdict: {pair.withheld}" if pair.withheld else "no verdict"
    found = "equal within the margin" if pair.verdict == "equal" else pair.verdict
    less = ", by less than the margin" if pair.less and pair.verdict != "equal" else ""
    return f"{found}{less}" + (f", at {pair.look} seeds" if pair.look else "")


def format_chance(p: float | None) -> str:
    """A p-value: 0.031, or < 0.001; empty for None."""
    if p is None:
        return ""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.4f}" if round(p, 3) == LEVEL else f"{p:.3f}"  # one more digit shows the side of 5%


def count(number: int, what: str) -> str:
    """A number of things: 1 seed, 5 seeds."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def list_some(labels: Sequence[str]) -> str:
    """List labels: a, b, c; of more than a dozen the first ones, and the number of the others."""
    return ", ".join(labels) if len(labels) <= MOST_NAMED else join(labels)


def join(labels: Sequence[str]) -> str:
    """Join labels: a, b and c; of more than a dozen the first ones and the number of the others."""
    if len(labels) > MOST_NAMED:
        return f"{', '.join(labels[:NAMED_OF_MANY])} and {len(labels) - NAMED_OF_MANY} others"
    return f"{', '.join(labels[:-1])} and {labels[-1]}" if len(labels) > 1 else labels[0]


def _open(best: str, pairs: Sequence[PairRow], words: Wording) -> list[str]:
    """Name the models that cannot be told from the best; "from one another" only if that holds for all their pairs."""
    own = [pair for pair in pairs if pair.a == best]
    labels = [pair.b for pair in own if pair.verdict == "undecided"]
    if not labels:
        return []
    after = words.after + (f", nor called equal within {words.within}," if words.margin else "")
    among = [pair for pair in pairs if pair.a in labels and pair.b in labels]
    if any(pair.verdict != "undecided" for pair in among):
        return [f"{join(labels)} cannot be told from {best}{after} with these {words.over}."]
    number = own[0].seeds_needed if len(own) == 1 else None
    needed = f" (it would take about {number}{words.seeds})" if number else ""
    return [f"{join([best, *labels])} cannot be told apart{after} with these {words.over}{needed}."]


def _equal(best: str, pairs: Sequence[PairRow], words: Wording) -> list[str]:
    """Name the models that are equal to the best within the margin."""
    own = [pair for pair in pairs if pair.a == best and pair.verdict == "equal"]
    if not own:
        return []
    labels = [pair.b for pair in own]
    among = [pair for pair in pairs if pair.a in labels and pair.b in labels]
    equal = f"equal{words.after} within {words.within}"
    if len(own) == 1:
        return [f"{best} and {own[0].b} are {equal} ({_interval(own[0], words)}, {words.over})."]
    if all(pair.verdict == "equal" for pair in among):
        return [f"{join([best, *labels])} are {equal} ({words.over})."]
    return [f"{join(labels)} are each {equal} of {best} ({words.over})."]


def _better(best: str, pairs: Sequence[PairRow], words: Wording) -> list[str]:
    """Name the models that the best one beats, and its lead over the nearest."""
    beaten = [pair for pair in pairs if pair.a == best and pair.verdict == "better"]
    if not beaten:
        return []
    nearest, comma = min(beaten, key=lambda pair: abs(pair.difference)), "," * bool(words.after)
    less = f", less than the margin of {words.margin / words.unit:g}" if words.margin and nearest.less else ""
    by = f"by {abs(nearest.difference) / words.unit:.{words.digits}f} {words.per}{less} ({_interval(nearest, words)}"
    p = format_chance(max(pair.p or 0.0 for pair in beaten))
    if len(beaten) == 1:
        exactly = p if p.startswith("<") else f"= {p}"
        return [f"{best} is better than {nearest.b}{words.after}{comma} {by}, p {exactly}, {words.over})."]
    at_most = p if p.startswith("<") else f"≤ {p}"
    others = f"{best} is better than {f'each of the {len(beaten)}' if len(beaten) > 2 else 'both'} others"
    return [f"{others}{words.after}; the nearest is {nearest.b}, {by}; all p {at_most}, {words.over})."]


def _interval(pair: PairRow, words: Wording) -> str:
    """The interval of a pair, of the size of its difference where that has one sign."""
    low, high = pair.interval
    if low is None or high is None:
        return f"no interval: {pair.withheld}"
    if pair.verdict != "equal":
        low, high = sorted((abs(low), abs(high)))
    low, high = low / words.unit, high / words.unit
    return f"{words.percent} interval {low:.{words.digits}f} to {high:.{words.digits}f}"


def _without(best: str, pairs: Sequence[PairRow]) -> list[str]:
    """Name the models against which the best has no verdict, and say why."""
    own = [pair for pair in pairs if pair.a == best and pair.verdict == "none"]
    return [
        f"No verdict on {best} against {join([pair.b for pair in own if pair.withheld == why])}: {why}."
        for why in dict.fromkeys(pair.withheld for pair in own)
    ]
