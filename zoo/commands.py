"""A study, asked for by a command or a call: run it, write its report, and show what came out."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console

from zoo.experiments.compare import Plan, add_probes, make_plan, run_study
from zoo.experiments.forecast import forecast
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.records.study import StudyRecord, find_study, read_study
from zoo.experiments.study.config import StudyConfig
from zoo.output import print_json
from zoo.reports.description import print_forecast
from zoo.reports.progress import ProgressBar
from zoo.reports.report import write_report
from zoo.reports.table import print_comparison


class Outcome(NamedTuple):
    """A comparison, the study's folder that it stands in, and its page, if a report was written."""

    directory: Path
    comparison: Comparison
    page: Path | None


def run(study: StudyConfig, flags: Mapping[str, Any], *, report: bool = False) -> Outcome | None:
    """Train what is missing and show the comparison, with its report if asked; None where nothing was to be run.

    Raises:
        RegistryError, ZooError: as `run_study`.
    """
    if flags["print_config"]:
        print_json(study.model_dump(mode="json", exclude_none=True))
        return None
    plan = make_plan(study, Path(flags["out"]), fresh=flags["fresh"])
    click.echo(plan.summary(), err=True)
    if flags["dry_run"]:
        expected = forecast(plan)
        print_json(expected) if flags["as_json"] else print_forecast(expected)
        return None
    outcome = perform(plan, Console(stderr=True), report=report)
    show(outcome, flags)
    return outcome


def perform(plan: Plan, console: Console, *, report: bool) -> Outcome:
    """Train what is missing, write the report if asked, and tell on `console` how it goes.

    Raises:
        RegistryError, ZooError: as `run_study`.
    """
    with ProgressBar(console) as progress:
        path, record = run_study(plan, progress)
        if report:
            record = add_probes(plan, path, record)
    return _outcome(path, record, report=report)


def draw(directory: str, flags: Mapping[str, Any]) -> None:
    """The report of a comparison again, from records alone.

    Raises:
        RunError: no such record, or a run of it is missing or damaged.
    """
    path = find_study(Path(directory))
    show(_outcome(path, read_study(path), report=True), flags)


def show(outcome: Outcome, flags: Mapping[str, Any]) -> None:
    """The tables or the document on standard output."""
    directory, comparison, page = outcome
    if flags["as_json"]:
        document = comparison.model_dump(mode="json")
        for row in document["runs"]:
            row["directory"] = str(directory / row["directory"])
        print_json({"directory": str(directory), **document})
    else:
        print_comparison(comparison, bits=flags["bits"], console=Console(width=None if sys.stdout.isatty() else 160))
    if page:
        click.echo(f"report: {page}", err=True)


def _outcome(path: Path, record: StudyRecord, *, report: bool) -> Outcome:
    comparison = summarise(path, record)
    page = write_report(comparison, path.parent)[0] if report else None
    return Outcome(path.parent, comparison, page)
