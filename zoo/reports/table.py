"""Print a comparison as tables of at most 80 columns, for names of ordinary length."""

import math
import textwrap
from collections.abc import Callable, Sequence

from rich.console import Console

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow, Spread
from zoo.reports import facts
from zoo.reports.answers import print_lengths, print_references, show_right, show_solved, show_whole
from zoo.reports.effects import print_effects
from zoo.reports.excerpt import excerpt
from zoo.reports.folded import print_folded, wrap
from zoo.reports.legend import describe_columns, select_notes
from zoo.reports.numbers import short
from zoo.reports.pairs import list_pairs
from zoo.reports.target_table import print_targets
from zoo.reports.tuning import print_search

Columns = dict[str, Callable[[ModelRow], str]]

FEW_PAIRS = 10
"""Most pairs that are all shown; of more, only those with the best model."""


def print_comparison(whole: Comparison, *, bits: bool, console: Console) -> None:
    """Print models, best first, legend, notes, search, pairs, target losses; the verdict last, where one looks."""
    comparison = excerpt(whole)
    unit = math.log(2) if bits else 1.0
    rows = comparison.models
    columns = _study_columns(unit) if any(row.published for row in rows) else _columns(unit)
    columns = {name: cell for name, cell in columns.items() if any(cell(row) for row in rows)}
    _print_table(columns, rows, console)
    below = wrap([*describe_columns(comparison, bits=bits), *select_notes(comparison)])
    console.print(below, style="dim", highlight=False, markup=False)
    if comparison.data.task:
        console.print()
        print_references(comparison, unit, console)
    if comparison.lengths:
        console.print()
        print_lengths(comparison, console)
    if comparison.tuned:
        console.print()
        print_search(comparison, unit, console)
    if any(pair.p is not None for pair in comparison.pairs):
        console.print()
        _print_pairs(comparison, unit, console)
    if comparison.ablation:
        console.print()
        print_effects(comparison.ablation, unit, console)
    if comparison.targets:
        console.print()
        print_targets(comparison, unit, console)
    sentence = facts.verdict_in(whole, bits=bits)
    if sentence:
        console.print()
        console.print(textwrap.fill(sentence, 80), style="bold", highlight=False, markup=False)


def _columns(unit: float) -> Columns:
    return {
        "model": lambda row: row.label,
        "test": lambda row: _test(row, unit),
        "group": lambda row: row.letters,
        "right": show_right,
        "whole": show_whole,
        "solved": show_solved,
        "valid": lambda row: "" if row.answers else _mean(row.validation, unit),
        "floor+": lambda row: f"{row.above_floor / unit:+.4f}" if row.above_floor is not None and row.floor else "",
        "params": lambda row: f"{row.parameters:,}",
        "sees": lambda row: "all" if row.receptive_field is None else f"{row.receptive_field:,}",
        "tok/s": lambda row: "" if row.answers and row.floor else short(row.tokens_per_second),
        "s": lambda row: "" if row.answers else f"{row.used.seconds:.1f}",
    }


def _study_columns(unit: float) -> Columns:
    """Columns of losses beside the published figures."""

    def published(name: str) -> Callable[[ModelRow], str]:
        def cell(row: ModelRow) -> str:
            value = getattr(row.published, name, None)
            return "" if value is None else f"{value / unit:.3f}"

        return cell

    plain = _columns(unit)
    return {
        "model": plain["model"],
        "train": lambda row: "" if row.train is None else f"{row.train.mean / unit:.3f}",
        "publ.": published("train"),
        "valid": plain["valid"],
        "publ. ": published("validation"),
        "test": plain["test"],
        "group": plain["group"],
        "params": plain["params"],
        "s": plain["s"],
    }


def _print_table(columns: Columns, rows: Sequence[ModelRow], console: Console) -> None:
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    print_folded([name.strip() for name in columns], cells, console, left=("model", "group"))


def _print_pairs(comparison: Comparison, unit: float, console: Console) -> None:
    pairs, best = comparison.pairs, comparison.models[0].label
    shown = pairs if len(pairs) <= FEW_PAIRS else [pair for pair in pairs if pair.a == best]
    header, *rows = list_pairs(shown, unit)
    print_folded(header, rows, console, left=("pair", "verdict"))
    lines = []
    if len(shown) < len(pairs):
        cut = any(note.kind == "excerpt" for note in comparison.notes)
        lines.append(f"the report shows all {len(pairs)} pairs{' of these models' * cut}")
    brought = "" if comparison.correlation is None else f"; correlation over seeds {comparison.correlation:.2f}"
    allowed = f"; p and verdict allow for all pairs ({comparison.method})" if len(pairs) > 1 else ""
    lines.append(f"difference: test loss ± {_describe_interval(comparison, unit)}{allowed}{brought}")
    if "seeds" in header:
        lines.append(
            "seeds: about how many are needed to tell the pair apart, if the true difference is the measured one"
        )
    if any(pair.verdict == "undecided" and not pair.seeds_needed for pair in shown):
        size = "so few splits" if comparison.study.splits > 1 else "a test split of this size"
        lines.append(f"no number under seeds: the difference is too small for any number of seeds, or for {size}")
    console.print(wrap(lines), style="dim", highlight=False, markup=False)


def _describe_interval(comparison: Comparison, unit: float) -> str:
    """Name the interval of a pair, and the margin that it is held against."""
    margin, level = comparison.study.margin, facts.level(comparison)
    if margin is None:
        return f"the pair's own {level} interval"
    kind = f"a {level} interval" + (" that is simultaneous for all pairs" if len(comparison.pairs) > 1 else "")
    return f"{kind}; equal: inside ±{margin / unit:g}, the margin"


def _test(row: ModelRow, unit: float) -> str:
    if row.test is None:
        return row.without_mean.replace(" of ", "/")
    half = "" if row.test.high is None else f"±{(row.test.high - row.test.mean) / unit:.4f}"
    return f"{row.test.mean / unit:.4f}{half}"


def _mean(value: Spread | None, unit: float) -> str:
    return "" if value is None else f"{value.mean / unit:.4f}"
