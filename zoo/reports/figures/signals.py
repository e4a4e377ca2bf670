"""Draw the signals of watched runs against steps: updates by weight, gradients, and saturated shares."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.single import RunSummary
from zoo.experiments.judge.watched import list_gradients
from zoo.experiments.records.signals import SignalPoint
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.palette import MODELS_LIGHT, colour_class
from zoo.reports.figures.scale import Scale, covering, horizontal_axis, share_axis
from zoo.reports.figures.svg import drawing, line, tag, text
from zoo.reports.numbers import plain

RULE = 1e-3
"""Update by weight at which the lecture makemore part 3 aims."""
TITLES = {"updates": "update by weight", "gradients": "gradient, standard deviation", "saturation": "saturated values"}
Name = Literal["updates", "gradients", "saturation"]


def draw_watched(comparison: Comparison, name: Literal["updates", "gradients"], *, width: float = 960.0) -> str:
    """Draw a band for every model, over its matrices or activations; empty if no run was watched."""
    lines = [
        Line(
            own.label,
            own.label,
            colour_class(comparison, own.label),
            [Dot(band.step, band.middle, band.low, band.high) for band in getattr(own, name)],
        )
        for own in comparison.watched
        if len(getattr(own, name)) > 1
    ]
    return _draw(lines, name, width)


def draw_signals(run: RunSummary, name: Name, *, width: float = 960.0) -> str:
    """Draw a line for every matrix or activation of a run; empty if it was not watched, or has none."""
    values: Mapping[str, Callable[[SignalPoint], Sequence[tuple[str, float | None]]]] = {
        "updates": lambda point: [(own.name, own.update) for own in point.weights],
        "gradients": list_gradients,
        "saturation": lambda point: [(own.name, own.saturated) for own in point.layers if own.saturated is not None],
    }
    dots: dict[str, list[Dot]] = {}
    for point in run.signals:
        for label, value in values[name](point):
            if value or (value is not None and name == "saturation"):
                dots.setdefault(label, []).append(Dot(point.step, value, value, value))
    lines = [
        Line(label, label, f"m{number % len(MODELS_LIGHT)}{' again' * (number >= len(MODELS_LIGHT))}", own)
        for number, (label, own) in enumerate(dots.items())
        if len(own) > 1
    ]
    return _draw(lines, name, width)


def _draw(lines: list[Line], name: Name, width: float) -> str:
    if not lines:
        return ""
    narrow = width < 600
    left, height = (52.0, 330.0) if narrow else (58.0, max(360.0, TOP + FOOT + 16.0 * len(lines)))
    names = room_for_names(lines, narrow)
    right, bottom = width - names - 22, height - FOOT
    across = Scale(0.0, max(own.dots[-1].x for own in lines) or 1.0, left, right)
    ends = [end for own in lines for dot in own.dots for end in (dot.low, dot.high)]
    if name == "saturation":
        up = Scale(0.0, 1.0, bottom, TOP)
        levels = share_axis(up, left, right, TITLES[name])
    else:
        up = covering([*ends, RULE] if name == "updates" else ends, bottom, TOP, log=True)
        levels = _log_axis(up, left, right, TITLES[name])
    rule = [line(left, up(RULE), right, up(RULE), "target")] if name == "updates" else []
    axis = horizontal_axis(across, TOP, bottom, "steps", plain, 4 if narrow else 8)
    marks = draw_lines(lines, across, up, names)
    return drawing(width, height, levels, axis, *rule, *marks, label=f"{TITLES[name]} against steps")


def _log_axis(up: Scale, left: float, right: float, title: str) -> Markup:
    marks = []
    for value in up.ticks(6):
        y = up(value)
        marks += [line(left, y, right, y, "grid"), text(left - 7, y + 4, f"{value:g}", "tick", "end")]
    return tag("g", *marks, text(left, TOP - 22, title, "title"), class_="axis")
