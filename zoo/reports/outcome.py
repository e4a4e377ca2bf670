"""Print the results of `train`, `compare` and `report`."""

import math
import shlex
import sys
from pathlib import Path

import click

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.single import RunSummary
from zoo.output import print_json
from zoo.reports.console import PlainConsole
from zoo.reports.latex import render_latex, render_run_latex
from zoo.reports.run_facts import describe_answers, describe_cost, describe_end, list_losses, next_commands, program
from zoo.reports.spreadsheet import render_csv, render_run_csv
from zoo.reports.table import print_comparison

FORMS = {"latex": render_latex, "csv": render_csv}
FORMS_OF_A_RUN = {"latex": render_run_latex, "csv": render_run_csv}
"""Format for other programs -> function that renders the main table."""


def print_outcome(
    directory: Path, comparison: Comparison, page: Path | None, *, bits: bool, as_json: bool, form: str | None = None
) -> None:
    """Print the tables or the JSON document of a comparison, and the path of its page on standard error.

    Args:
        directory: the study's folder.
        page: path of the page, if it was drawn.
        bits: give losses in bits instead of nats.
        as_json: print the document instead of the tables.
        form: print the main table as "latex" or "csv" instead.
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
        print_path("report", page)


def print_path(name: str, path: Path) -> None:
    """Print the path of a written file on standard error, quoted for a shell."""
    click.echo(f"{name}: {shlex.quote(str(path))}", err=True)


def print_run(place: str, run: RunSummary, page: Path | None, *, bits: bool, as_json: bool, form: str | None) -> None:
    """Print the numbers of one run, and the path of its page on standard error; arguments as for `print_outcome`."""
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
        if answers := describe_answers(run):
            console.print(answers)
        for name, words in describe_cost(run).items():
            console.print(f"{name:<29}{words}")
        console.print(describe_end(run))
    if page:
        print_path("report", page)


def print_next(place: str, run: RunSummary) -> None:
    """Print commands for what to do next with a run, ready to paste, on standard error."""
    commands = next_commands(run, place, program())
    if commands:
        click.echo("\n".join(["next:", *(f"  {command}  # {what}" for command, what in commands.items())]), err=True)
