"""The terminal table: at most 80 columns for names of ordinary length."""

import math
import textwrap
from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.reports.summary import Spread, Summary

Columns = dict[str, Callable[[Summary], str]]


def print_table(rows: Sequence[Summary], *, bits: bool, console: Console) -> None:
    """The rows, best first, and under them what the figures are."""
    unit = math.log(2) if bits else 1.0
    columns = _study_columns(unit) if any(row.published for row in rows) else _columns(unit)
    if all(row.above_floor is None for row in rows):
        columns.pop("floor+", None)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        first = name == "model"
        table.add_column(name.strip(), justify="left" if first else "right", overflow="fold", no_wrap=not first)
    for row in rows:
        table.add_row(*(Text(cell(row)) for cell in columns.values()))
    console.print(table)
    console.print(_legend(rows, bits=bits), style="dim", highlight=False, markup=False)


def _columns(unit: float) -> Columns:
    return {
        "model": lambda row: row.label,
        "test": lambda row: _spread(row.test, unit) if row.test else f"diverged {row.diverged}/{row.seeds}",
        "validation": lambda row: _spread(row.validation, unit),
        "floor+": lambda row: "" if row.above_floor is None else f"{row.above_floor / unit:+.4f}",
        "params": lambda row: f"{row.parameters:,}",
        "sees": lambda row: "all" if row.receptive_field is None else f"{row.receptive_field:,}",
        "tok/s": lambda row: short(row.tokens_per_second),
        "s": lambda row: f"{row.seconds:.1f}",
    }


def _study_columns(unit: float) -> Columns:
    """Ours beside the published figures."""

    def published(name: str) -> Callable[[Summary], str]:
        def cell(row: Summary) -> str:
            value = getattr(row.published, name, None)
            return "" if value is None else f"{value / unit:.3f}"

        return cell

    plain = _columns(unit)
    return {
        "model": plain["model"],
        "train": lambda row: "" if row.train is None else f"{row.train.mean / unit:.3f}",
        "publ.": published("train"),
        "validation": plain["validation"],
        "publ. ": published("validation"),
        "test": lambda row: f"{row.test.mean / unit:.4f}" if row.test else f"diverged {row.diverged}/{row.seeds}",
        "params": plain["params"],
        "sees": plain["sees"],
        "s": plain["s"],
    }


def short(number: float) -> str:
    """Three digits and a letter: 412, 9.8k, 151k, 6.4M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.1f}{letter}" if scaled < 10 else f"{scaled:.0f}{letter}"
    return f"{number:.0f}"


def _legend(rows: Sequence[Summary], *, bits: bool) -> str:
    unit = math.log(2) if bits else 1.0
    seeds = max(row.seeds for row in rows)
    what = f"{'bits' if bits else 'nats'} per token"
    lines = [
        f"test, validation: {what}, mean ± standard deviation of {seeds} seeds"
        if seeds > 1
        else f"test, validation: {what}, one seed"
    ]
    floor = next((row.floor for row in rows if row.above_floor is not None), None)
    if floor is not None:
        lines.append(f"floor+: test loss above {floor / unit:.4f}, the loss of a perfect model on this split")
    if any(row.published for row in rows):
        lines.append("publ.: the published figure for the column before it")
    lines.append("sees: receptive field in tokens; tok/s, s: training without evaluation")
    lines += [
        f"{row.label}: never better than its initial weights under {row.untrained} of {row.seeds} seeds"
        for row in rows
        if row.untrained
    ]
    origins = {row.lr_from for row in rows}
    where = "one setting for all" if origins == {"setting"} else "each model's recipe"
    rates = {row.lr for row in rows}
    told = f"{rates.pop():g}" if len(rates) == 1 else ", ".join(f"{row.label} {row.lr:g}" for row in rows)
    lines.append(f"learning rate from {where}: {told}")
    return "\n".join(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)


def _spread(value: Spread | None, unit: float) -> str:
    if value is None:
        return ""
    return _number(value.mean, unit) + (f"±{value.sd / unit:.4f}" if value.sd is not None else "")


def _number(value: float, unit: float) -> str:
    return f"{value / unit:.4f}"
