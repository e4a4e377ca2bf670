"""Print and write a comparison at several sizes: two tables, two figures, and the numbers."""

import math
import textwrap
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from zoo.experiments.judge.rows import PairRow
from zoo.experiments.judge.scaling import Scaling, SizedModel
from zoo.experiments.judge.verdict import format_chance
from zoo.reports.figures.draw import standalone
from zoo.reports.figures.scaling import draw_scaling
from zoo.reports.markup import escape
from zoo.reports.numbers import short
from zoo.whole_file import write_whole

Rows = list[list[str]]


def list_losses(scaling: Scaling, *, bits: bool = False) -> Rows:
    """A header, and a row per size and model: target size, model, test loss with its interval, size, FLOPs."""
    unit = math.log(2) if bits else 1.0
    rows = [[f"{size.target:,}", *_cells(model, unit)] for size in scaling.sizes for model in size.models]
    return [["size", "model", "test", "params", "FLOPs", "lr"], *rows]


def _cells(model: SizedModel, unit: float) -> list[str]:
    return [model.label, _loss(model, unit), f"{model.parameters:,}", short(model.flops), f"{model.lr:g}"]


def list_differences(scaling: Scaling, *, bits: bool = False) -> Rows:
    """A header, and a row per pair and size: pair, target size, difference, p-value, verdict."""
    unit = math.log(2) if bits else 1.0
    names = list(dict.fromkeys((pair.a, pair.b) for size in scaling.sizes for pair in size.pairs))
    rows = [
        [f"{a} - {b}", f"{size.target:,}", _difference(pair, unit), format_chance(pair.p), pair.verdict]
        for a, b in names
        for size in scaling.sizes
        for pair in size.pairs
        if (pair.a, pair.b) == (a, b)
    ]
    return [["pair", "size", "difference", "p", "verdict"], *rows]


def print_scaling(scaling: Scaling, console: Console, *, bits: bool) -> None:
    """Print losses, differences, notes, and the verdict at each size."""
    unit = "bits" if bits else "nats"
    console.print(_table(list_losses(scaling, bits=bits)))
    differences = list_differences(scaling, bits=bits)
    if len(differences) > 1:
        console.print()
        console.print(_table(differences))
    lines = [f"test, difference: {unit} per token, ± their intervals; FLOPs: of training a run", *scaling.notes]
    wrapped = "\n".join(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)
    console.print(wrapped, style="dim", highlight=False, markup=False)
    for size in scaling.sizes:
        console.print()
        sentence = f"At {size.target:,} parameters: {size.verdict or 'one model alone.'}"
        console.print(textwrap.fill(sentence, 80), style="bold", highlight=False, markup=False)


def write_scaling(scaling: Scaling, directory: Path) -> Path:
    """Write sizes.md, sizes.json and the figures, each whole or not at all; returns the path of sizes.md."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = {f"loss-{against}.svg": standalone(markup) for against, markup in draw_scaling(scaling).items()}
    texts = {"sizes.json": scaling.model_dump_json(indent=2) + "\n", **drawn, "sizes.md": _render(scaling, list(drawn))}
    for name, text in texts.items():
        write_whole(directory / name, text)
    return directory / "sizes.md"


def _render(scaling: Scaling, figures: list[str]) -> str:
    losses, differences = list_losses(scaling), list_differences(scaling)
    verdicts = [
        f"- **{size.target:,} parameters** ([report](<../{size.folder}/report.md>)): {escape(size.verdict)}"
        for size in scaling.sizes
    ]
    pictures = [f"![test loss against {name.removeprefix('loss-').removesuffix('.svg')}]({name})" for name in figures]
    parts = [
        f"# {escape(', '.join(scaling.labels))} at {len(scaling.sizes)} sizes",
        "\n".join(verdicts),
        *pictures,
        "Test loss in nats per token, ± its interval.",
        _markdown(losses),
        *(["Differences at each size, the first minus the second.", _markdown(differences)] if differences[1:] else []),
        *scaling.notes,
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(rows: Rows) -> str:
    lines = [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def _table(rows: Rows) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for name in rows[0]:
        left = name in ("model", "pair", "verdict")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


def _loss(model: SizedModel, unit: float) -> str:
    if model.test is None:
        return "none"
    half = "" if model.test.high is None else f"±{(model.test.high - model.test.mean) / unit:.4f}"
    return f"{model.test.mean / unit:.4f}{half}"


def _difference(pair: PairRow, unit: float) -> str:
    half = "" if pair.high is None else f"±{(pair.high - pair.difference) / unit:.4f}"
    return f"{pair.difference / unit:+.4f}{half}"
