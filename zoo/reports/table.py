"""The terminal table: at most 80 columns for names of ordinary length."""

import math
import textwrap
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from zoo.experiments.study import Published
from zoo.reports.summary import Spread, Summary


def print_table(rows: Sequence[Summary], *, bits: bool, console: Console) -> None:
    """The rows, best first, and under them what the figures are."""
    unit = math.log(2) if bits else 1.0
    known_floor = any(row.above_floor is not None for row in rows)
    published = any(row.published for row in rows)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    if published:
        for name in ("train", "publ.", "valid", "publ."):
            table.add_column(name, justify="right", no_wrap=True)
    table.add_column("test", justify="right", no_wrap=True)
    if not published:
        table.add_column("validation", justify="right", no_wrap=True)
    if known_floor:
        table.add_column("floor+", justify="right", no_wrap=True)
    for name in ("params", "sees", "tok/s", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row.label]
        if published:
            figures = row.published or Published()
            cells += [_mean(row.train, unit), _number(figures.train, unit)]
            cells += [_mean(row.validation, unit), _number(figures.validation, unit)]
        cells.append(f"[red]diverged {row.diverged}/{row.seeds}[/]" if row.diverged else _spread(row.test, unit))
        if not published:
            cells.append(_spread(row.validation, unit))
        if known_floor:
            cells.append("" if row.above_floor is None else f"{row.above_floor / unit:+.4f}")
        cells += [
            f"{row.parameters:,}",
            "all" if row.receptive_field is None else f"{row.receptive_field:,}",
            short(row.tokens_per_second),
            f"{row.seconds:.1f}",
        ]
        table.add_row(*cells)
    console.print(table)
    console.print(_legend(rows, bits=bits), style="dim", highlight=False)


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
    origins = {row.lr_from for row in rows}
    where = "one flag for all" if origins == {"flag"} else "each model's recipe"
    rates = ", ".join(f"{row.label} {row.lr:g}" for row in rows)
    lines.append(f"learning rates from {where}: {rates}")
    return "\n".join(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)


def _spread(value: Spread | None, unit: float) -> str:
    if value is None:
        return ""
    return _number(value.mean, unit) + (f"±{value.sd / unit:.4f}" if value.sd is not None else "")


def _mean(value: Spread | None, unit: float) -> str:
    return "" if value is None else _number(value.mean, unit)


def _number(value: float | None, unit: float) -> str:
    return "" if value is None else f"{value / unit:.4f}"
