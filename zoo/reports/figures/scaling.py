"""Draw test loss against size or training FLOPs: a line per model through its sizes, with intervals."""

from typing import Literal

from markupsafe import Markup

from zoo.experiments.judge.scaling import Scaling, SizedModel
from zoo.reports.figures.palette import MODELS_LIGHT
from zoo.reports.figures.reference_lines import draw_levels
from zoo.reports.figures.scale import Scale, covering, horizontal_axis, loss_axis
from zoo.reports.figures.svg import circle, drawing, line, path, shorten, spread, tag, text, text_width
from zoo.reports.numbers import plain

TITLES = {"parameters": "parameters", "flops": "FLOPs of training"}
SIZE = 13.0
TOP, HEIGHT, LEFT, FOOT = 40.0, 400.0, 58.0, 46.0
Point = tuple[float, float, float, float]
"""Value on the horizontal axis, and mean, low and high of the loss."""


def draw_scaling(scaling: Scaling, width: float = 960.0) -> dict[str, str]:
    """Draw both figures, if they have numbers: "parameters" and "flops" -> markup."""
    drawn = {
        "parameters": scaling_figure(scaling, "parameters", width=width),
        "flops": scaling_figure(scaling, "flops", width=width),
    }
    return {name: markup for name, markup in drawn.items() if markup}


def scaling_figure(scaling: Scaling, against: Literal["parameters", "flops"], *, width: float = 960.0) -> str:
    """Draw the figure; empty if no model has a loss at two sizes."""
    points = {label: _points(scaling, label, against) for label in scaling.labels}
    shown = {label: own for label, own in points.items() if len(own) > 1}
    if not shown:
        return ""
    names = min(max(text_width(label, SIZE) for label in shown) + 4, 220.0)
    right, bottom = width - names - 22, HEIGHT - FOOT
    every = [point for own in shown.values() for point in own]
    across = covering([point[0] for point in every], LEFT, right, log=True, margin=0.06)
    known = [own.loss for own in scaling.references] if scaling.is_task else []
    up = covering([*known, *(end for point in every for end in point[2:])], bottom, TOP, margin=0.08)
    levels = draw_levels(scaling.references, up, LEFT, right)
    places = spread([up(own[-1][1]) for own in shown.values()], 16.0, TOP - 12, bottom)
    lines = [
        _line(label, f"m{scaling.labels.index(label) % len(MODELS_LIGHT)}", own, across, up, (right + 18, y), names)
        for (label, own), y in zip(shown.items(), places, strict=True)
    ]
    axes = (
        loss_axis(up, LEFT, right, "test loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, TITLES[against], plain, 4 if width < 600 else 8),
    )
    drawn = (*axes, *levels.lines, *lines, *levels.names)
    return drawing(width, HEIGHT, *drawn, label=f"Test loss against {TITLES[against]}, with intervals")


def _points(scaling: Scaling, label: str, against: str) -> list[Point]:
    """The points of a model where both numbers are known, the smallest size first."""
    found = []
    for size in scaling.sizes:
        model: SizedModel = next(model for model in size.models if model.label == label)
        place, test = getattr(model, against), model.test
        if place and test:
            low = test.mean if test.low is None else test.low
            high = test.mean if test.high is None else test.high
            found.append((float(place), test.mean, low, high))
    return sorted(found)


def _line(
    label: str, colour: str, points: list[Point], across: Scale, up: Scale, place: tuple[float, float], room: float
) -> Markup:
    marks = [path([(across(x), up(mean)) for x, mean, _, _ in points], "curve")]
    for x, mean, low, high in points:
        marks += [line(across(x), up(low), across(x), up(high), "whisker")] if high > low else []
        marks.append(circle(across(x), up(mean), 4.0, "point"))
    (left, base), (x, mean, *_) = place, points[-1]
    marks.append(path([(across(x), up(mean)), (left - 14, up(mean)), (left - 3, base)], "leader"))
    name = text(left, base + 4, shorten(label, room, SIZE), "label")
    return tag("g", tag("title", label), *marks, name, class_=colour)
