"""Draw test loss against cost, with the Pareto front."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Interval, ModelRow
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import Scale, covering, horizontal_axis, loss_axis
from zoo.reports.figures.svg import circle, drawing, line, path, shorten, tag, text, text_width
from zoo.reports.numbers import plain, storage

Against = Literal["parameters", "seconds", "flops", "memory"]

AXES: dict[Against, tuple[str, Callable[[ModelRow], float | None], Callable[[float], str]]] = {
    "parameters": ("parameters", lambda model: model.parameters, plain),
    "seconds": ("seconds of training", lambda model: model.used.seconds, plain),
    "flops": ("FLOPs of training", lambda model: model.used.flops, plain),
    "memory": ("peak memory", lambda model: model.cost.peak_bytes if model.cost else None, storage),
}
SIZE = 13.0
TOP, FOOT = 40.0, 46.0

Box = tuple[float, float, float, float]


def cost(comparison: Comparison, against: Against = "parameters", *, width: float = 960.0) -> str:
    """Draw the figure; empty if fewer than two models have both numbers."""
    title, price, written = AXES[against]
    points = [(value, model.test, model) for model in comparison.models if model.test and (value := price(model))]
    if len(points) < 2:
        return ""
    narrow = width < 600
    left, right, height = (46.0, width - 14, 330.0) if narrow else (58.0, width - 24, 400.0)
    bottom = height - FOOT
    across = covering([value for value, _, _ in points], left, right, log=True, margin=0.1)
    far = find_outliers(comparison)
    near = [end for _, test, model in points if model not in far for end in _reach(test)]
    near = near or [test.mean for _, test, _ in points]
    up = covering([*near, *shown_losses(comparison.data, comparison.references)], bottom, TOP, margin=0.08)
    front = pareto([(value, test.mean) for value, test, _ in points])
    steps = _steps([corner for corner in front if up.inside(corner[1])], across, up, right)
    known = draw_levels(comparison.references, up, left, right)
    axes = (
        loss_axis(up, left, right, "test loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, title, written, 4 if narrow else 9),
        path(steps, "front"),
        *known.lines,
    )
    reaches = [_reach(test) for _, test, _ in points]
    places = [(across(value), max(up(test.mean), TOP)) for value, test, _ in points]
    taken = [*((x - 6, y - 6, x + 6, y + 6) for x, y in places), *known.boxes]
    thin = _boxes(steps)
    thin += [(x - 2, up(high), x + 2, up(low)) for (x, _), (low, high) in zip(places, reaches, strict=True)]
    marks = []
    for place, (_, test, model) in zip(places, points, strict=True):
        name = shorten(model.label, 110.0 if narrow else 240.0, SIZE)
        spot, box = _free(place, text_width(name, SIZE), taken, thin, (left, TOP - 10, right + 10, bottom))
        taken.append(box)
        marks.append(_point(comparison, model, test, place, up, _named(name, place, spot, box)))
    return drawing(width, height, *axes, *marks, *known.names, label=f"Test loss against {title}, and the Pareto front")


def pareto(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points (cost, loss) -> the Pareto front, cheapest first."""
    front: list[tuple[float, float]] = []
    for price, value in sorted(points):
        if not front or value < front[-1][1]:
            front.append((price, value))
    return front


def _reach(test: Interval) -> tuple[float, float]:
    return (test.mean if test.low is None else test.low, test.mean if test.high is None else test.high)


def _steps(front: list[tuple[float, float]], across: Scale, up: Scale, right: float) -> list[tuple[float, float]]:
    """The corners of the front drawn as a staircase: the best loss at every cost."""
    corners = [(across(front[0][0]), up(front[0][1]))]
    for price, value in front[1:]:
        corners += [(across(price), corners[-1][1]), (across(price), up(value))]
    return [*corners, (right, corners[-1][1])]


def _boxes(steps: list[tuple[float, float]]) -> list[Box]:
    """The boxes around the lines of the staircase, which names avoid."""
    return [
        (min(x, to_x) - 2, min(y, to_y) - 2, max(x, to_x) + 2, max(y, to_y) + 2)
        for (x, y), (to_x, to_y) in pairwise(steps)
    ]


def _point(
    comparison: Comparison, model: ModelRow, test: Interval, place: tuple[float, float], up: Scale, name: Markup
) -> Markup:
    x, y = place
    if not up.inside(test.mean):
        arrow = path([(x - 6, y + 4), (x, y - 6), (x + 6, y + 4)], "end", closed=True)
        return tag("g", tag("title", model.label), arrow, name, class_=colour_class(comparison, model.label))
    low, high = _reach(test)
    whisker = line(x, up(low), x, up(high), "whisker") if high > low else ""
    return tag("g", tag("title", model.label), whisker, circle(x, y, 5.0, "point"), name,
               class_=colour_class(comparison, model.label))  # fmt: skip


def _named(name: str, place: tuple[float, float], spot: tuple[float, float], box: Box) -> Markup:
    """The name of a point, with a leader line if the name is not close to it."""
    (x, y), middle = place, spot[1] - 4
    if abs(middle - y) < 18:
        return text(*spot, name, "label")
    return path([(x, y), (min(max(x, box[0]), box[2]), middle + (8 if middle < y else -8))], "leader") + text(
        *spot, name, "label"
    )


def _free(
    place: tuple[float, float], width: float, taken: list[Box], thin: list[Box], bounds: Box
) -> tuple[tuple[float, float], Box]:
    """Place a name near its point where it hides least; returns its start, and the box that it fills."""
    x, y = place
    found: list[tuple[float, tuple[float, float], Box]] = []
    for dy in (0, -12, 12, -18, 18, -30, 30, -44, 44):
        for dx in (9, -9 - width, -width / 2):
            if abs(dy) < 18 and dx == -width / 2:
                continue
            box = (x + dx - 2, y + dy - 8, x + dx + width + 2, y + dy + 8)
            outside = (width + 4) * 16 - _overlap(box, bounds)
            hidden = 3 * sum(_overlap(box, other) for other in taken) + sum(_overlap(box, other) for other in thin)
            found.append((9 * outside + hidden + dy**2 / 8 + (dx < 0), (x + dx, y + dy + 4), box))
    _, spot, box = min(found)
    return spot, box


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
