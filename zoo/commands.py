"""What the commands do, for their two faces: cli.py and zoo/api.py. What a command needs is imported inside it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console

if TYPE_CHECKING:
    from zoo.experiments.compare import Plan
    from zoo.experiments.judge.comparison import Comparison
    from zoo.experiments.records.study import StudyRecord
    from zoo.experiments.study.config import StudyConfig

Place = str | os.PathLike[str]


class Outcome(NamedTuple):
    """A comparison, the study's folder that it stands in, and its page, if a report was written."""

    directory: Path
    comparison: "Comparison"
    page: Path | None


def plan_study(study: "StudyConfig", out: Place, console: Console, *, fresh: bool) -> "Plan":
    """The plan of a study; its corpus is described on `console`.

    Raises:
        RegistryError, ZooError: as `make_plan`.
    """
    from zoo.experiments.compare import make_plan

    plan = make_plan(study, Path(out), fresh=fresh)
    console.print(plan.summary(), highlight=False, markup=False, emoji=False, soft_wrap=True)
    return plan


def run_plan(plan: "Plan", console: Console, *, report: bool, stop_at_first_failure: bool = False) -> Outcome:
    """Train what is missing, with its progress on `console`; measure costs and write the report, if it is wanted.

    Raises:
        RegistryError, ZooError: as `run_study`.
    """
    from zoo.experiments.compare import add_probes, run_study
    from zoo.reports.progress import ProgressBar

    with ProgressBar(console, stop_at_first_failure=stop_at_first_failure) as progress:
        path, record = run_study(plan, progress)
        if report:
            record = add_probes(plan, path, record)
    return _summarise(path, record, report=report)


def draw_report(directory: Place) -> Outcome:
    """The report of a comparison, drawn again from records alone.

    Raises:
        RunError: no such record, or a run of it is missing or damaged.
    """
    from zoo.experiments.records.study import find_study, read_study

    path = find_study(Path(directory))
    return _summarise(path, read_study(path), report=True)


def evaluate_run(
    run: Place, splits: Sequence[str], *, device: str, data: Mapping[str, Any], trust: bool = False
) -> dict[str, Any]:
    """Losses of a run's weights on its own corpus, or on what `data` changes of it, as a document; notices on stderr.

    Raises:
        RunError, DataError, UsageError: no such run, no such text, or characters that the run does not know.
    """
    from zoo.experiments.runs.evaluate import evaluate_again

    document, notices = evaluate_again(str(run), splits, device=device, data=data, trust=trust)
    for notice in notices:
        click.echo(notice, err=True)
    return document


def _summarise(path: Path, record: "StudyRecord", *, report: bool) -> Outcome:
    from zoo.experiments.judge.summarise import summarise
    from zoo.reports.report import write_report

    comparison, page = summarise(path, record), None
    if report and not os.access(path.parent, os.W_OK):
        click.echo(f"'{path.parent}' cannot be written to: the report in it stays as it is.", err=True)
    elif report:
        page = write_report(comparison, path.parent)[0]
    return Outcome(path.parent, comparison, page)
