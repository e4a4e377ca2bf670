"""Render a trace as one page in the style of the report."""

from pathlib import Path

from markupsafe import Markup

from zoo.probes.values import FORMS, Traced, has_inner
from zoo.reports.figures.embedding import embedding
from zoo.reports.figures.network import network
from zoo.reports.numbers import short
from zoo.reports.page import frame, template
from zoo.reports.trace import AXES, describe_nonfinite, fold
from zoo.whole_file import write_whole

NARROW = 350.0


def render_trace(traced: Traced) -> str:
    """The page: the network as a picture with its numbers, signals, and all calls."""
    trace, signals = traced.trace, traced.signals
    measured = zip(trace.layers, signals.layers, strict=True) if signals else ()
    return template("trace.html.jinja").render(
        traced=traced,
        trace=trace,
        signals=signals,
        nonfinite=describe_nonfinite(traced),
        form=FORMS[trace.form],
        legend=AXES,
        wide=Markup(network(trace)),
        narrow=Markup(network(trace, width=NARROW)),
        plane=Markup(embedding(traced.plane)) if traced.plane else None,
        rows=[(layer, own) for layer, own in measured if layer.depth],
        calls=list(fold(trace.layers)),
        innermost=sum(not has_inner(trace.layers, place) for place in range(len(trace.layers))),
        short=short,
        **frame(),
    )


def write_trace_page(traced: Traced, path: Path) -> None:
    """Write the page to a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, render_trace(traced))
