"""The pairs of models as tables, alike for a comparison and for scores that somebody else measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import PairRow
from zoo.experiments.judge.verdict import format_chance, pair_words
from zoo.reports import facts
from zoo.reports.markup import escape
from zoo.reports.numbers import loss, write_interval, write_reach


@dataclass(frozen=True)
class Pairs:
    """The pairs of a report, and the words around them."""

    pairs: Sequence[PairRow]
    verdicts: bool
    """Whether any pair has a verdict."""
    level: str
    """The share of studies in which an interval holds: 95%."""
    intervals: str
    """What the intervals and p are."""
    errors: str
    """What the standard errors are."""
    measure: str = "Test loss"
    higher: bool = False
    """Whether higher is better."""
    without: str = "fewer than three seeds"
    """Why there are no verdicts."""
    margin: bool = False
    seeds: bool = True
    """Whether new seeds count."""
    scored: str = "documents"
    """The word for what is scored; "" where it does not count."""
    digits: int = 4


def pairs_of(comparison: Comparison) -> Pairs:
    """The pairs of a comparison."""
    return Pairs(
        comparison.pairs,
        facts.has_verdicts(comparison),
        facts.level(comparison),
        facts.describe_intervals(len(comparison.pairs), comparison.level, comparison.study.margin, "nats"),
        f"s.e.: standard errors of the difference over new seeds and over new {comparison.scored}.",
        margin=comparison.study.margin is not None,
        scored=comparison.scored,
    )


def both_ways(pairs: Sequence[PairRow]) -> dict[tuple[str, str], PairRow]:
    """(row, column) -> the pair, with the model of the row as `a`."""
    return {(pair.a, pair.b): pair for pair in pairs} | {(pair.b, pair.a): pair.reverse() for pair in pairs}


def list_pairs(pairs: Sequence[PairRow], unit: float = 1.0, digits: int = 4) -> list[list[str]]:
    """Header and rows of the pairs for a terminal; without the column of needed seeds where it is empty."""
    header = ["pair", "difference", "p", "verdict", "seeds"]
    rows = [[
            f"{pair.a} - {pair.b}",
            f"{pair.difference / unit:+.{digits}f}{_write_reach(pair, unit, digits)}",
            format_chance(pair.p),
            _write_verdict(pair),
            f"~{pair.seeds_needed}" if pair.seeds_needed else "",
    ] for pair in pairs]  # fmt: skip
    return [row if any(own[-1] for own in rows) else row[:-1] for row in [header, *rows]]


def _write_verdict(pair: PairRow) -> str:
    """The verdict of a pair in few words: better, by less; equal at 5."""
    less = ", by less" if pair.less and pair.verdict in ("better", "worse") else ""
    return f"{pair.verdict}{less}" + (f" at {pair.look}" if pair.look else "")


def _write_reach(pair: PairRow, unit: float, digits: int) -> str:
    low, high = (None if end is None else end / unit for end in pair.interval)
    return write_reach(pair.difference / unit, low, high, digits, signed=True)


def pair_columns(shown: Pairs) -> dict[str, list[str]]:
    """Title -> cells of the pairs, for Markdown."""
    pairs, digits = shown.pairs, shown.digits
    columns = {
        "pair": [f"{escape(pair.a)} − {escape(pair.b)}" for pair in pairs],
        "difference": [loss(pair.difference, signed=True, digits=digits) for pair in pairs],
        f"{shown.level} interval": [write_interval(pair, digits) for pair in pairs],
        "p": [escape(format_chance(pair.p)) for pair in pairs],
        "permutation p": [escape(format_chance(pair.p_permutation)) for pair in pairs],
        "s.e. seeds": [loss(pair.seeds_se, digits=digits) for pair in pairs],
        f"s.e. {shown.scored}": [loss(pair.documents_se, digits=digits) for pair in pairs],
        "verdict": [pair_words(pair) for pair in pairs],
    }
    hidden = {*(() if shown.seeds else ("s.e. seeds",)), *(() if shown.scored else ("s.e. ",))}
    return {title: cells for title, cells in columns.items() if title not in hidden}


def describe_columns(shown: Pairs) -> str:
    """Explain the columns of the pairs in Markdown."""
    about = f"{'Above' if shown.higher else 'Below'} zero, the first is better. {shown.intervals}"
    if any(pair.p_permutation is not None for pair in shown.pairs):
        about += "Permutation p: of the pair alone, by flipping signs over the seeds. "
    return about + shown.errors
