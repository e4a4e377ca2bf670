"""`describe` and `evaluate`, as a terminal shows them."""

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_description(about: dict[str, Any]) -> None:
    """A model: what it is, its size, its options."""
    console = Console(highlight=False)
    sees = "everything before" if about["receptive_field"] is None else f"{about['receptive_field']:,} tokens"
    recipe = about["recipe"]
    console.print(f"[bold]{about['name']}[/] ({about['origin']}): {about['about']}")
    if about["paper"]:
        console.print(f"paper       {about['paper']}")
    console.print(
        f"parameters  {about['parameters']:,} at context {about['context']}, vocabulary {about['vocab_size']}"
    )
    console.print(f"sees        {sees}")
    console.print(
        f"recipe      lr {recipe['lr']:g}, weight decay {recipe['weight_decay']:g}, warm-up {recipe['warmup']:g}"
    )
    if not about["options"]:
        console.print("options     none")
        return
    table = _table("option", "type", "default", "meaning")
    for option in about["options"]:
        default = str(option["default"]).lower() if isinstance(option["default"], bool) else str(option["default"])
        table.add_row(option["name"], option["type"], default, option["description"])
    console.print(table)


def print_evaluation(document: dict[str, Any], *, bits: bool) -> None:
    """Losses of a run, beside those that it recorded."""
    unit = math.log(2) if bits else 1.0

    def number(value: float | None) -> str:
        return "" if value is None else f"{value / unit:.4f}"

    table = _table("split", "loss", "recorded", "floor", "tokens")
    for row in document["splits"]:
        table.add_row(row["split"], *(number(row[key]) for key in ("loss", "recorded", "floor")), f"{row['tokens']:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{'bits' if bits else 'nats'} per token", style="dim")


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in ("loss", "recorded", "floor", "tokens") else "left")
    return table
