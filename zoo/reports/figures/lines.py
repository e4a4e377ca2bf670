"""Draw lines with bands, each with its name beside its end: learning curves, and losses by position."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from zoo.reports.figures.scale import Scale
from zoo.reports.figures.svg import circle, line, path, shorten, spread, tag, text, text_width

SIZE = 13.0
TOP, FOOT = 40.0, 46.0


class Dot(NamedTuple):
    """A point of a line, and its band."""

    x: float
    y: float
    low: float
    high: float


class Line(NamedTuple):
    """A line of at least one point.

    Attributes:
        name: label beside its end.
        title: tooltip.
        colour: CSS class.
        dots: its points.
        crossed: whether it ends because the model diverged, marked by a cross.
        level: whether it is a level to compare with, drawn in dashes.
    """

    name: str
    title: str
    colour: str
    dots: Sequence[Dot]
    crossed: bool = False
    level: bool = False


def room_for_names(lines: Sequence[Line], narrow: bool) -> float:
    """Width of the longest name, up to a limit."""
    return min(max(text_width(line.name, SIZE) for line in lines) + 4, 108.0 if narrow else 220.0)


def draw_lines(lines: Sequence[Line], across: Scale, up: Scale, names: float) -> list[Markup]:
    """Draw the lines, the first one on top, clipped above the plot, and their names in a column of width `names`."""
    right, bottom = across.end, up.start
    window = {"x": 0.0, "y": TOP, "width": right + 4, "height": bottom - TOP}
    # A nested <svg> clips at the top of the plot without a clip path, whose id would have to be unique in the page.
    curves = [_curve(own, across, up) for own in reversed(lines)]
    plot = tag("svg", *curves, **window, viewBox=f"0 {TOP:g} {right + 4:g} {bottom - TOP:g}")
    wanted = [min(max(up(own.dots[-1].y), TOP - 12), bottom) for own in lines]
    places = spread(wanted, 16.0, TOP - 12, bottom)
    labels = [
        _label(own, (across(own.dots[-1].x), end), (right + 18, y), names)
        for own, end, y in zip(lines, wanted, places, strict=True)
    ]
    return [plot, *labels]


def _curve(own: Line, across: Scale, up: Scale) -> Markup:
    marks = [path([(across(dot.x), up(dot.y)) for dot in own.dots], "curve level" if own.level else "curve")]
    if any(dot.high > dot.low for dot in own.dots):
        above = [(across(dot.x), up(dot.high)) for dot in own.dots]
        below = [(across(dot.x), up(dot.low)) for dot in reversed(own.dots)]
        marks.insert(0, path(above + below, "band", closed=True))
    return tag("g", tag("title", own.title), *marks, class_=own.colour)


def _label(own: Line, end: tuple[float, float], place: tuple[float, float], room: float) -> Markup:
    """The name beside the end of its line, with a leader to it, or an arrow if the end is above the plot."""
    (x, y), (left, base) = end, place
    title, name = tag("title", own.title), text(left, base + 4, shorten(own.name, room, SIZE), "label")
    if y < TOP:
        arrow = path([(left - 14, base + 4), (left - 9, base - 5), (left - 4, base + 4)], "end", closed=True)
        return tag("g", title, arrow, name, class_=own.colour)
    marks = [path([(x, y), (max(left - 14, x), y), (left - 3, base)], "leader"), circle(x, y, 2.5, "end")]
    if own.crossed:
        marks[1] = line(x - 4, y - 4, x + 4, y + 4, "end") + line(x - 4, y + 4, x + 4, y - 4, "end")
    return tag("g", title, *marks, name, class_=own.colour)
