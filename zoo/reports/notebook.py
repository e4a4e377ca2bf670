"""Render results as HTML for the output of a notebook cell: the sections of the pages, closed where they are long.

A display asks for no other file, has no script and no ids, and its style holds inside of it alone. It follows the theme
of the notebook where that says whether it is dark.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.judgement import Judged
from zoo.experiments.judge.scaling import Scaling
from zoo.experiments.judge.single import RunSummary
from zoo.probes.values import Traced
from zoo.reports.conformance import describe_verdict
from zoo.reports.excerpt import excerpt
from zoo.reports.figures.draw import NARROW, draw, figure_style
from zoo.reports.figures.palette import both_variables
from zoo.reports.figures.run import draw_run
from zoo.reports.figures.scaling import draw_scaling
from zoo.reports.page import asset, describe_comparison, template
from zoo.reports.run_page import describe_run
from zoo.reports.scaling import list_differences, list_losses
from zoo.reports.trace_page import describe_trace

WIDE = 800.0
"""Width of a drawing in a cell of ordinary width."""
ROOT = ".zoo-display" * 3
"""Repeated, so that every rule outweighs those of a notebook for tables and text."""
FIGURES = (
    "effects",
    "forest",
    "curves-tokens",
    "lengths",
    "search-settings",
    "search-trials",
    "profile-tokens",
    "cost-parameters",
)
"""Figures of a comparison that are shown: one of each kind, since nothing switches between several."""


def render_comparison(whole: Comparison, page: Path | None = None) -> str:
    """Render a comparison, with the path of its page."""
    comparison = excerpt(whole)
    wide, narrow = (draw(comparison, width, FIGURES) for width in (WIDE, NARROW))
    return _render("comparison", path=page, **describe_comparison(comparison, wide, narrow))


def render_run(run: RunSummary, page: Path | None = None) -> str:
    """Render a run, with the path of its page."""
    return _render("run", path=page, **describe_run(run, draw_run(run, WIDE), draw_run(run, NARROW)))


def render_scaling(scaling: Scaling, page: Path | None = None) -> str:
    """Render a comparison at several sizes, with the path of its document."""
    wide, narrow = (
        {name: Markup(markup) for name, markup in draw_scaling(scaling, width).items()} for width in (WIDE, NARROW)
    )
    return _render(
        "sizes",
        path=page,
        scaling=scaling,
        title=f"{', '.join(scaling.labels)} at {len(scaling.sizes)} sizes",
        losses=list_losses(scaling),
        differences=list_differences(scaling),
        wide=wide,
        narrow=narrow,
    )


def render_judged(judged: Judged) -> str:
    """Render judged scores."""
    from zoo.reports.judged.documents import describe_judged

    return _render("judged", **describe_judged(judged, WIDE))


def render_trace(traced: Traced) -> str:
    """Render a trace."""
    return _render("trace", **describe_trace(traced, WIDE))


def render_check(document: Mapping[str, Any]) -> str:
    """Render the document of a check of the contract."""
    return _render("check", document=document, verdict=describe_verdict(document))


def render_figure(markup: str) -> str:
    """Render a drawing by itself."""
    return _render("figure", figure=Markup(markup))


def _render(name: str, **variables: Any) -> str:
    without_ids = {"anchor": lambda name: "", "heading": Markup('<p class="head">{}</p>').format, "units": "nats"}
    return template(f"displays/{name}.html.jinja").render(style=Markup(_style()), **without_ids, **variables)


@lru_cache
def _style() -> str:
    """The style of the pages below the root of a display, in pixels and by its width instead of the window's."""
    page = asset("page.css").replace("@media(max-width:720px)", "@container(max-width:560px)")
    page = re.sub(r"(\d*\.?\d+)rem", lambda number: f"{16 * float(number[1]):g}px", page)
    return f"{ROOT}{{{both_variables()}{page}{figure_style()}}}{asset('notebook.css')}"
