"""What `train`, `compare` and `report` print."""

import math
import sys
from pathlib import Path

import click

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.single import RunSummary
from zoo.output import print_json
from zoo.reports.console import PlainConsole
from zoo.reports.latex import render_latex, render_run_latex
from zoo.reports.run_facts import describe_cost, describe_end, list_losses, next_commands, program
from zoo.reports.spreadsheet import render_csv, render_run_csv
from zoo.reports.table import print_comparison

FORMS = {"latex": render_latex, "csv": render_csv}
FORMS_OF_A_RUN = {"latex": render_run_latex, "csv": render_run_csv}
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


def print_run(place: str, run: RunSummary, page: Path | None, *, bits: bool, as_json: bool, form: str | None) -> None:
    """The numbers of one run; on standard error, where its page is and what can be done next."""
    unit = math.log(2) if bits else 1.0
    if as_json:
        print_json({"directory": place, **run.model_dump(mode="json")})
    elif form:
        click.echo(FORMS_OF_A_RUN[form](run, bits=bits))
    else:
        console = PlainConsole(highlight=False, markup=False, soft_wrap=True)
        console.print(f"{run.label} on {run.recorded.data.name}, seed {run.recorded.run.seed}", style="bold")
        for split, value, targets, floor in list_losses(run):
            least = "" if floor is None else f", floor {floor / unit:.4f}"
            console.print(f"{split:<11}{value / unit:.4f} {'bits' if bits else 'nats'} per token of {targets:,}{least}")
        for name, words in describe_cost(run).items():
            console.print(f"{name:<29}{words}")
        console.print(describe_end(run))
    if page:
        click.echo(f"report: {page}", err=True)


def print_next(place: str, run: RunSummary) -> None:
    """On standard error, commands that go on from a run, to be pasted."""
    commands = next_commands(run, place, program())
    if commands:
        click.echo("\n".join(["next:", *(f"  {command}  # {what}" for command, what in commands.items())]), err=True)
