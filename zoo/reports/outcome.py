"""What `train`, `compare` and `report` print."""

import sys
from pathlib import Path

import click

from zoo.experiments.judge.comparison import Comparison
from zoo.output import print_json
from zoo.reports.console import PlainConsole
from zoo.reports.latex import render_latex
from zoo.reports.spreadsheet import render_csv
from zoo.reports.table import print_comparison

FORMS = {"latex": render_latex, "csv": render_csv}
"""Ways to print the main table for other programs."""


def print_outcome(
    directory: Path, comparison: Comparison, page: Path | None, *, bits: bool, as_json: bool, form: str | None = None
) -> None:
    """The tables or the document of a comparison in its study's folder; on standard error, where its page is.

    Args:
        form: the main table as "latex" or "csv" instead.
    """
    if as_json:
        document = comparison.model_dump(mode="json")
        for row in document["runs"]:
            row["directory"] = str(directory / row["directory"])
        print_json({"directory": str(directory), **document})
    elif form:
        click.echo(FORMS[form](comparison, bits=bits))
    else:
        print_comparison(comparison, bits=bits, console=PlainConsole(width=None if sys.stdout.isatty() else 160))
    if page:
        click.echo(f"report: {page}", err=True)
