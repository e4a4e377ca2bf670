"""Print tables and lines that are folded to fit a terminal."""

import re
import textwrap
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

NARROWEST = 12
"""Columns that the first column of a table keeps, however wide the others are."""

GAP = 2
"""Columns between two columns of a table."""


def print_folded(
    header: Sequence[str], rows: Sequence[Sequence[str]], console: Console, *, left: Sequence[str]
) -> None:
    """Print a table whose first column is folded to fit the console, after signs within names and not within words."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if name in left else "right", overflow="fold", no_wrap=number > 0)
    others = measure(list(zip(header, *rows, strict=True))[1:])
    for first, *rest in rows:
        table.add_row(Text(fold(first, max(NARROWEST, console.width - others))), *map(Text, rest))
    console.print(table)


def measure(columns: Sequence[Sequence[str]]) -> int:
    """Return how wide columns of a table are together, each with its gap."""
    return sum(max(cell_len(line) for cell in column for line in cell.splitlines() or [""]) + GAP for column in columns)


def fold(label: str, width: int) -> str:
    """Break a label into lines of at most `width` columns: after spaces, commas, parentheses and slashes, and after
    hyphens where a part between those is too wide.
    """
    lines = [""]
    parts = re.findall(r".*?[ ,(/]|.+$", label)
    for part in parts:
        for piece in [part] if cell_len(part.rstrip()) <= width else re.findall(r".*?-|.+$", part):
            if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def wrap(lines: Sequence[str]) -> str:
    """Wrap lines at 80 columns; continuation lines are indented."""
    return "\n".join(textwrap.fill(line, 80, subsequent_indent="  ") for line in lines)
