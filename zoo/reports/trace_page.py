"""Render a trace as one page in the style of the report."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from zoo.probes.values import FORMS, Traced, has_inner
from zoo.reports.figures.embedding import embedding
from zoo.reports.figures.network import network
from zoo.reports.numbers import short
from zoo.reports.page import frame, template
from zoo.reports.trace import AXES, describe_nonfinite, fold
from zoo.whole_file import write_whole

WIDE, NARROW = 860.0, 350.0
FEW = 12
"""Most innermost layers of a network that a notebook shows as a picture first, of larger ones the calls."""


def render_trace(traced: Traced) -> str:
    """The page: the network as a picture with its numbers, signals, and all calls."""
    plane = Markup(embedding(traced.plane)) if traced.plane else None
    return template("trace.html.jinja").render(traced=traced, plane=plane, **describe_trace(traced, WIDE), **frame())


def describe_trace(traced: Traced, width: float) -> dict[str, Any]:
    """Variables of the sections of a trace, with the network drawn up to this width, and in a narrow one."""
    trace, signals = traced.trace, traced.signals
    measured = zip(trace.layers, signals.layers, strict=True) if signals else ()
    innermost = sum(not has_inner(trace.layers, place) for place in range(len(trace.layers)))
    loss = f"; loss {signals.loss:.4f} nats per token" if signals else ""
    return {
        "trace": trace,
        "signals": signals,
        "headline": f"{trace.parameters:,} parameters in {innermost} layers{loss}",
        "nonfinite": describe_nonfinite(traced),
        "setting": {
            "Text": traced.corpus,
            "Weights": "those of a run" if traced.trained else "fresh",
            "What runs": f"{trace.form}: {FORMS[trace.form]}",
            "Batch": ", ".join(f"{letter} = {size}" for letter, size in trace.sizes.items()),
        },
        "legend": AXES,
        "wide": Markup(network(trace, width=width)),
        "narrow": Markup(network(trace, width=NARROW)),
        "few": innermost <= FEW,
        "rows": [(layer, own) for layer, own in measured if layer.depth],
        "calls": list(fold(trace.layers)),
        "short": short,
    }


def write_trace_page(traced: Traced, path: Path) -> None:
    """Write the page to a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, render_trace(traced))
