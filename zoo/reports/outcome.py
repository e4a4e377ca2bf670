"""What `train`, `compare` and `report` print."""

import sys
from pathlib import Path

import click

from zoo.experiments.judge.comparison import Comparison
from zoo.output import print_json
from zoo.reports.console import PlainConsole
from zoo.reports.table import print_comparison


def print_outcome(directory: Path, comparison: Comparison, page: Path | None, *, bits: bool, as_json: bool) -> None:
    """The tables or the document of a comparison in its study's folder; on standard error, where its page is."""
    if as_json:
        document = comparison.model_dump(mode="json")
        for row in document["runs"]:
            row["directory"] = str(directory / row["directory"])
        print_json({"directory": str(directory), **document})
    else:
        print_comparison(comparison, bits=bits, console=PlainConsole(width=None if sys.stdout.isatty() else 160))
    if page:
        click.echo(f"report: {page}", err=True)
