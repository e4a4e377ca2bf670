"""Print the results of `describe`, `evaluate`, `runs` and `--dry-run`."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from zoo.reports.console import PlainConsole
from zoo.reports.numbers import share, short

NUMBERS = {
    "no memory",
    "right",
    "whole",
    "loss",
    "recorded",
    "floor",
    "tokens",
    "params",
    "steps",
    "runs",
    "there",
    "seconds",
}
"""Right-aligned columns."""


def print_description(about: dict[str, Any]) -> None:
    """Print a model's description, size and options."""
    console = PlainConsole(highlight=False, markup=False)
    sees = about["receptive_field"]
    facts = Table.grid(padding=(0, 2, 0, 0))
    for name, value in {
        "paper": about["paper"] or "none named",
        "parameters": f"{about['parameters']:,} at context {about['context']}, vocabulary {about['vocab_size']}",
        "sees": "everything before" if sees is None else f"{sees:,} token{'s' * (sees != 1)}",
        "recipe": "\n".join(map(_describe_recipe, about["recipes"])),
        "options": "" if about["options"] else "none",
    }.items():
        if value:
            facts.add_row(name, Text(value))
    console.print(Text.assemble((about["name"], "bold"), f" ({about['origin']})"))
    console.print(Text(about["about"]))
    console.print(facts)
    if not about["options"]:
        return
    table = _table("option", "type", "default", "meaning")
    for option in about["options"]:
        default, value = _shown(option["default"]), _shown(option["value"])
        chosen = default if value == default else f"{default}, here {value}"
        table.add_row(
            *(
                Text(cell)
                for cell in (option["name"], option["type"].replace("|", " | "), chosen, option["description"])
            )
        )
    console.print(table)


def _describe_recipe(recipe: dict[str, Any]) -> str:
    found = f", for {short(recipe['targets'])} targets" if recipe["targets"] else ""
    values = f"lr {recipe['lr']:g}, weight decay {recipe['weight_decay']:g}, warm-up {recipe['warmup']:g}"
    return f"{recipe['optimizer']}, {values}{found}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def print_evaluation(document: dict[str, Any], *, bits: bool) -> None:
    """Print the losses of a run beside its recorded ones."""
    unit = math.log(2) if bits else 1.0

    def number(value: float | None) -> str:
        return "" if value is None else f"{value / unit:.4f}"

    known = [key for key in ("recorded", "floor") if any(row[key] is not None for row in document["splits"])]
    shares = [key for key in ("right", "whole") if key in document["splits"][0]]
    table = _table("split", "loss", *known, *shares, "tokens")
    for row in document["splits"]:
        cells = [number(row[key]) for key in ("loss", *known)] + [share(row[key]) for key in shares]
        table.add_row(row["split"], *cells, f"{row['tokens']:,}")
    console = PlainConsole(highlight=False)
    console.print(table)
    console.print(f"{'bits' if bits else 'nats'} per token", style="dim")


def print_corpora(rows: list[dict[str, Any]]) -> None:
    """Print a line per corpus: name, floor and loss without memory of its default options, size, source."""
    console = PlainConsole(highlight=False, markup=False)
    table = _table("corpus", "floor", "no memory", "size", "source")
    for row in rows:
        known = ("" if row[key] is None else f"{row[key]:.3f}" for key in ("floor", "memoryless"))
        table.add_row(row["name"], *known, row["size"], Text(row["problem"] or row["source"]))
    console.print(table)
    console.print("nats per scored token, with default options; T: tokens of a document, V: vocabulary", style="dim")


def print_runs(rows: list[dict[str, Any]], *, bits: bool) -> None:
    """Print a line per run: its losses, then its whole path, ready to copy."""
    unit = math.log(2) if bits else 1.0
    console = PlainConsole(highlight=False, markup=False, soft_wrap=True)
    if not rows:
        console.print("no finished runs")
        return
    console.print(f"{'test':>8}  {'valid':>8}  {'params':>10}  run", style="bold")
    console.print("\n".join(_describe_run(row, unit) for row in rows))


def _describe_run(row: dict[str, Any], unit: float) -> str:
    """Describe a run in a line: its losses and size, or its status, and its path."""
    if row["status"] != "finished":
        return f"{row['status']:<28}  {row['run']}"
    given = (row[key] for key in ("test_loss", "validation_loss"))
    losses = (f"{'':8}" if loss is None else f"{loss / unit:8.4f}" for loss in given)
    return "  ".join([*losses, f"{row['parameters']:>10,}", row["run"]])


def print_forecast(rows: list[dict[str, Any]]) -> None:
    """Print a line per model: its size, its steps, its finished runs, and the time for the others."""
    console = PlainConsole(highlight=False, markup=False)
    table = _table("model", "params", "steps", "runs", "there", "seconds")
    for label in dict.fromkeys(row["label"] for row in rows):
        own = [row for row in rows if row["label"] == label]
        numbers = (own[0]["parameters"], own[0]["steps"], len(own), sum(row["there"] for row in own))
        cells = ("" if number is None else f"{number:,}" for number in numbers)
        table.add_row(Text(label), *cells, f"{sum(row['seconds'] for row in own):,.0f}")
    console.print(table)
    about = "at most about" if any(row["may_stop"] for row in rows) else "about"
    seconds = sum(row["seconds"] / row["at_once"] for row in rows)
    console.print(f"{about} {seconds:,.0f} s of training, and evaluations")


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left")
    return table
