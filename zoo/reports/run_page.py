"""Render one run as a page of the same kind as a comparison's, and write it beside the run's folder."""

import os
import shlex
from pathlib import Path

from markupsafe import Markup

from zoo.experiments.judge.single import RunSummary
from zoo.reports import run_facts
from zoo.reports.figures.draw import NARROW
from zoo.reports.figures.run import draw_run, is_bent
from zoo.whole_file import write_whole


def write_run_page(run: RunSummary, directory: Path) -> Path:
    """Write the page of the run in a directory, whole or not at all; returns its path, `<directory>.html`.

    It stands beside the folder and not in it: a run that is complete is never changed afterwards, and what is in its
    folder is what was recorded, while a page is drawn from that, again whenever somebody asks. The folder of the study
    has a report.html only for a comparison, and may hold many runs.
    """
    page = page_of(directory)
    write_whole(page, render_run_page(run))
    return page


def page_of(directory: Path) -> Path:
    """Where the page of a run stands."""
    place = Path(os.path.abspath(directory))  # "." has no name to put another one beside
    return directory.with_name(f"{directory.name}.html") if directory.name else place.with_name(f"{place.name}.html")


def render_run_page(run: RunSummary) -> str:
    """The page."""
    from zoo.reports.page import frame, template  # late: training must not wait for jinja2

    config, machine = run.recorded.run, run.environment
    losses = run_facts.list_losses(run)
    commit = "outside of a checkout" if machine.commit is None else machine.commit
    return template("run.html.jinja").render(
        run=run,
        words=run_facts,
        title=f"{run.label} on {run.recorded.data.name}, seed {config.seed}",
        headline=losses[0] if losses and run.result.status == "finished" else None,
        losses=losses,
        floor=any(floor is not None for *_, floor in losses),
        bent=is_bent(run),
        wide={name: Markup(markup) for name, markup in draw_run(run).items()},
        narrow={name: Markup(markup) for name, markup in draw_run(run, NARROW).items()},
        commands=run_facts.next_commands(run, f"runs/{run.folder}/{run.name}")
        | {f"python cli.py verify {shlex.quote(f'runs/{run.folder}/{run.name}')}": "computes its numbers again"},
        environment={
            "commit": commit + (", with changes" if machine.dirty else ""),
            "versions": f"zoo {machine.zoo}, Python {machine.python}, torch {machine.torch}",
            "corpus": f"{run.recorded.data.name}, SHA-256 {run.recorded.data.digest}",
        },
        configuration=run.recorded.run.model_dump_json(indent=2, exclude_none=True),
        colour=lambda _: "m0",
        **frame(),
    )
