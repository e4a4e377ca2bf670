"""The terminal's tables: at most 80 columns for names of ordinary length."""

import math
import textwrap
from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.experiments.judge.comparison import NEAR, Comparison, ModelRow, Spread
from zoo.experiments.judge.sentence import chance, verdict_sentence
from zoo.reports.counts import buffer_notes, flops_notes
from zoo.reports.facts import renewed, unlike
from zoo.reports.numbers import short

Columns = dict[str, Callable[[ModelRow], str]]

FEW_PAIRS = 10
"""More pairs than these, and only those with the best model are shown."""


def print_comparison(comparison: Comparison, *, bits: bool, console: Console) -> None:
    """The models, best first; what the figures are; the pairs; the verdict last, where the eye is."""
    unit = math.log(2) if bits else 1.0
    rows = comparison.models
    columns = _study_columns(unit) if any(row.published for row in rows) else _columns(unit)
    columns = {name: cell for name, cell in columns.items() if any(cell(row) for row in rows)}
    _print_table(columns, rows, console)
    console.print(_legend(comparison, bits=bits), style="dim", highlight=False, markup=False)
    if any(pair.p is not None for pair in comparison.pairs):
        console.print()
        _print_pairs(comparison, unit, console)
    if sentence := verdict_sentence(rows, comparison.pairs, looked=comparison.looked, bits=bits):
        console.print()
        console.print(textwrap.fill(sentence, 80), style="bold", highlight=False, markup=False)


def _columns(unit: float) -> Columns:
    return {
        "model": lambda row: row.label,
        "test": lambda row: _test(row, unit),
        "group": lambda row: row.letters,
        "valid": lambda row: _mean(row.validation, unit),
        "floor+": lambda row: "" if row.above_floor is None else f"{row.above_floor / unit:+.4f}",
        "params": lambda row: f"{row.parameters:,}",
        "sees": lambda row: "all" if row.receptive_field is None else f"{row.receptive_field:,}",
        "tok/s": lambda row: short(row.tokens_per_second),
        "s": lambda row: f"{row.used.seconds:.1f}",
    }


def _study_columns(unit: float) -> Columns:
    """Ours beside the published figures."""

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
    table = _table(*(name.strip() for name in columns), left=("model", "group"))
    for row in rows:
        table.add_row(*(Text(cell(row)) for cell in columns.values()))
    console.print(table)


def _print_pairs(comparison: Comparison, unit: float, console: Console) -> None:
    pairs, best = comparison.pairs, comparison.models[0].label
    shown = pairs if len(pairs) <= FEW_PAIRS else [pair for pair in pairs if pair.a == best]
    table = _table("pair", "difference", "p", "verdict", "seeds", left=("pair", "verdict"))
    if all(pair.seeds_needed is None for pair in shown):
        table.columns.pop()
    for pair in shown:
        half = "" if pair.high is None else f"±{(pair.high - pair.difference) / unit:.4f}"
        cells = [
            f"{pair.a} - {pair.b}",
            f"{pair.difference / unit:+.4f}{half}",
            "" if pair.p is None else chance(pair.p),
            pair.verdict,
            f"~{pair.seeds_needed}" if pair.seeds_needed else "",
        ]
        table.add_row(*(Text(cell) for cell in cells[: len(table.columns)]))
    console.print(table)
    lines = []
    if len(shown) < len(pairs):
        lines.append(f"all {len(pairs)} pairs stand in the report")
    brought = "" if comparison.correlation is None else f"; correlation over seeds {comparison.correlation:.2f}"
    allowed = f"; p and verdict allow for all pairs ({comparison.method})" if len(pairs) > 1 else ""
    lines.append(f"difference: test loss ± the pair's own 95% interval{allowed}{brought}")
    if len(table.columns) == 5:
        lines.append("seeds: about how many would tell the pair apart, if the difference is what it seems")
    if any(pair.verdict == "undecided" and not pair.seeds_needed for pair in shown):
        size = "splits so few" if comparison.study.splits > 1 else "a test split of this size"
        lines.append(f"no number of seeds: the difference is too small for any, or for {size}")
    console.print(_wrapped(lines), style="dim", highlight=False, markup=False)


def _table(*columns: str, left: Sequence[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        fold = name in ("model", "pair")
        table.add_column(name, justify="left" if name in left else "right", overflow="fold", no_wrap=not fold)
    return table


def _legend(comparison: Comparison, *, bits: bool) -> str:
    rows, unit = comparison.models, math.log(2) if bits else 1.0
    seeds = max(row.seeds for row in rows)
    what = f"{'bits' if bits else 'nats'} per token"
    splits = comparison.study.splits
    over = ("one seed" if seeds == 1 else f"mean of {seeds} seeds") + (f" on {splits} splits" if splits > 1 else "")
    interval = any(row.test and row.test.low is not None for row in rows)
    about = (
        f"; ±: 95% interval, for new seeds and {renewed(comparison)} (differences have their own)" if interval else ""
    )
    lines = [f"test, valid: {what}, {over}{about}"]
    if comparison.inflation is not None:
        lines.append(
            f"{renewed(comparison)}: of this one text, not of others; that splits share training text is allowed "
            f"for by an assumed factor of their variance, {comparison.inflation:.2f}"
        )
    if not comparison.study.data.has_test:
        lines.append("no test split: validation, which chose the weights, stands in for it; no interval counts that")
    if any(row.letters for row in rows):
        lines.append("group: models that share a letter cannot be told apart")
    floor = next((row.floor for row in rows if row.above_floor is not None), None)
    if floor is not None:
        where = "these splits" if splits > 1 else "this split"
        lines.append(f"floor+: test loss above {floor / unit:.4f}, the loss of a perfect model on {where}")
    if any(row.published for row in rows):
        lines.append("publ.: the published figure for the column before it")
    lines.append(
        "s: seconds of training, without evaluation"
        if any(row.published for row in rows)
        else "sees: receptive field in tokens; tok/s, s: training without evaluation"
    )
    lines += [
        f"{row.label}: never better than its initial weights {row.among_runs(row.untrained)}"
        for row in rows
        if row.untrained
    ]
    lines += [f"{row.label}: refused {row.among_runs(row.refused)}. {row.reason}" for row in rows if row.refused]
    lines += [
        f"{row.label}: {row.off_size:+.1%} off the size that was asked for, the nearest it can reach"
        for row in rows
        if row.off_size is not None and abs(row.off_size) > NEAR
    ]
    lines += [
        f"{row.label}: {row.off_budget:+.1%} off the budget, the nearest that whole steps reach"
        for row in rows
        if abs(row.off_budget) > NEAR
    ]
    lines += [
        f"{row.label}: declares to see {row.receptive_field or 'all'} tokens, a probe found otherwise"
        for row in rows
        if row.cost and row.cost.field_agrees is False
    ]
    lines += unlike(comparison)
    lines += [note for row in rows for note in buffer_notes(row)]
    study = comparison.study
    if study.training.budget == "flops" or (study.match and study.match.kind == "flops"):
        lines += [note for row in rows for note in flops_notes(row)]
    return _wrapped([*lines, *_rates(rows), *comparison.caveats])


def _rates(rows: Sequence[ModelRow]) -> list[str]:
    """Where the learning rates come from, and which of them stand at the edge of their grid."""
    where = {"setting": "one setting for all", "grid": "one grid for all, chosen on validation"}
    origin = where.get(rows[0].lr_from, "each model's recipe")
    if rows[0].lr_from == "grid" and rows[0].split_losses:
        origin += " of the first split"
    rates = {row.lr for row in rows}
    told = f"{rates.pop():g}" if len(rates) == 1 else ", ".join(f"{row.label} {row.lr:g}" for row in rows)
    lines = [f"learning rate from {origin}: {told}"]
    edge = [row.label for row in rows if row.lr_at_edge]
    if edge:
        lines.append(f"at the edge of the grid, a wider one may do better: {', '.join(edge)}")
    return lines


def _wrapped(lines: Sequence[str]) -> str:
    return "\n".join(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)


def _test(row: ModelRow, unit: float) -> str:
    if row.test is None:
        return row.without_mean.replace(" of ", "/")
    half = "" if row.test.high is None else f"±{(row.test.high - row.test.mean) / unit:.4f}"
    return f"{row.test.mean / unit:.4f}{half}"


def _mean(value: Spread | None, unit: float) -> str:
    return "" if value is None else f"{value.mean / unit:.4f}"
