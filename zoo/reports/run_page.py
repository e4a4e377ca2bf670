"""Render one run as a page like a comparison's, and write it beside the run's folder."""

import os
import shlex
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.experiments.judge.single import RunSummary
from zoo.reports import run_facts
from zoo.reports.figures.draw import NARROW
from zoo.reports.figures.run import draw_run, is_bent
from zoo.whole_file import write_whole


def write_run_page(run: RunSummary, directory: Path) -> Path:
    """Write the page of the run in a directory, whole or not at all; returns its path, `<directory>.html`.

    The page lies beside the folder because a complete run never changes: its folder has only records, from which the
    page can be drawn again. Its name is that of the run because the folder of a study may have many runs.
    """
    page = page_of(directory)
    write_whole(page, render_run_page(run))
    return page


def page_of(directory: Path) -> Path:
    """The path of a run's page."""
    place = Path(os.path.abspath(directory))  # "." has no name
    return directory.with_name(f"{directory.name}.html") if directory.name else place.with_name(f"{place.name}.html")


def render_run_page(run: RunSummary) -> str:
    """Render the page of a run."""
    from zoo.reports.page import frame, template  # late import: training must not wait for jinja2

    machine = run.environment
    commit = "outside of a checkout" if machine.commit is None else machine.commit
    return template("run.html.jinja").render(
        commands=run_facts.next_commands(run, f"runs/{run.folder}/{run.name}")
        | {f"python cli.py verify {shlex.quote(f'runs/{run.folder}/{run.name}')}": "computes its numbers again"},
        environment={
            "commit": commit + (", with changes" if machine.dirty else ""),
            "versions": f"zoo {machine.zoo}, Python {machine.python}, torch {machine.torch}",
            "corpus": f"{run.recorded.data.name}, SHA-256 {run.recorded.data.digest}",
        },
        configuration=run.recorded.run.model_dump_json(indent=2, exclude_none=True),
        **describe_run(run, draw_run(run), draw_run(run, NARROW)),
        **frame(),
    )


def describe_run(run: RunSummary, wide: dict[str, str], narrow: dict[str, str]) -> dict[str, Any]:
    """Variables of the sections of a run, with these figures: name -> markup, in two widths."""
    losses = run_facts.list_losses(run)
    return {
        "run": run,
        "words": run_facts,
        "title": f"{run.label} on {run.recorded.data.name}, seed {run.recorded.run.seed}",
        "headline": losses[0] if losses and run.result.status == "finished" else None,
        "losses": losses,
        "floor": any(floor is not None for *_, floor in losses),
        "bent": is_bent(run),
        "wide": {name: Markup(markup) for name, markup in wide.items()},
        "narrow": {name: Markup(markup) for name, markup in narrow.items()},
        "colour": lambda _: "m0",
    }
