"""Draw learning curves: validation loss against tokens or seconds, a line and a band over the runs for each model."""

from typing import Literal

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Band, ModelRow
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.scale import Scale, covering, horizontal_axis, loss_axis
from zoo.reports.figures.svg import circle, drawing, line, path, shorten, spread, tag, text, text_width
from zoo.reports.numbers import plain

TITLES = {"tokens": "training tokens", "seconds": "seconds of training"}
SIZE = 13.0
TOP, FOOT = 40.0, 46.0
EARLY = 0.25
"""The share of training after which losses set the height of the figure; before, all fall from the same one."""


def curves(comparison: Comparison, against: Literal["tokens", "seconds"] = "tokens", *, width: float = 960.0) -> str:
    """The figure; empty if no model has a curve of two points."""
    models = [model for model in comparison.models if len(model.curve) > 1]
    if not models:
        return ""
    narrow = width < 600
    left, height = (46.0, 330.0) if narrow else (58.0, 400.0)
    names = min(max(text_width(_words(model), SIZE) for model in models) + 4, 108.0 if narrow else 220.0)
    right, bottom = width - names - 22, height - FOOT
    across = Scale(0.0, max(_at(model.curve[-1], against) for model in models) or 1.0, left, right)
    up = _height(models, _outlier_labels(comparison), bottom)
    axes = (
        loss_axis(up, left, right, "validation loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, TITLES[against], plain, 4 if narrow else 8),
    )
    # An <svg> inside cuts off what is higher than the plot, without an id that a page would have to keep unique.
    lines = [_curve(comparison, model, against, across, up) for model in reversed(models)]
    window = {"x": 0.0, "y": TOP, "width": right + 4, "height": bottom - TOP}
    plot = tag("svg", *lines, **window, viewBox=f"0 {TOP:g} {right + 4:g} {bottom - TOP:g}")
    wanted = [min(max(up(model.curve[-1].mean), TOP - 12), bottom) for model in models]
    places = spread(wanted, 16.0, TOP - 12, bottom)
    labels = [
        _label(comparison, model, (across(_at(model.curve[-1], against)), end), (right + 18, y), names)
        for model, end, y in zip(models, wanted, places, strict=True)
    ]
    return drawing(width, height, *axes, plot, *labels, label=f"Validation loss against {TITLES[against]}")


def cut(comparison: Comparison) -> float | None:
    """The highest loss of a curve, if the figure leaves it out."""
    models = [model for model in comparison.models if len(model.curve) > 1]
    if not models:
        return None
    highest = max(band.high for model in models for band in model.curve)
    return highest if highest > _height(models, _outlier_labels(comparison), 1.0).high else None


def _height(models: list[ModelRow], far: set[str], bottom: float) -> Scale:
    """The scale of all losses after the first part of training, without outliers."""
    ends = {model.label: model.curve[-1].tokens for model in models}
    shown = [model for model in models if not model.diverged and model.label not in far] or models
    late = [band for model in shown for band in model.curve if band.tokens >= EARLY * ends[model.label]]
    return covering([value for band in late for value in (band.low, band.high)], bottom, TOP)


def _curve(comparison: Comparison, model: ModelRow, against: str, across: Scale, up: Scale) -> Markup:
    points = [(across(_at(band, against)), band) for band in model.curve]
    band = [(x, up(point.high)) for x, point in points] + [(x, up(point.low)) for x, point in reversed(points)]
    marks = [path([(x, up(point.mean)) for x, point in points], "curve")]
    if any(point.high > point.low for _, point in points):
        marks.insert(0, path(band, "band", closed=True))
    return tag("g", tag("title", model.label), *marks, class_=colour_class(comparison, model.label))


def _label(
    comparison: Comparison, model: ModelRow, end: tuple[float, float], place: tuple[float, float], room: float
) -> Markup:
    """The name beside the end of its curve, and a line to it where it had to move."""
    (x, y), (left, base) = end, place
    own, title = colour_class(comparison, model.label), tag("title", model.label)
    if y < TOP:
        arrow = path([(left - 14, base + 4), (left - 9, base - 5), (left - 4, base + 4)], "end", closed=True)
        return tag("g", title, arrow, text(left, base + 4, shorten(_words(model), room, SIZE), "label"), class_=own)
    marks = [path([(x, y), (max(left - 14, x), y), (left - 3, base)], "leader"), circle(x, y, 2.5, "end")]
    if model.diverged:
        marks[1] = line(x - 4, y - 4, x + 4, y + 4, "end") + line(x - 4, y + 4, x + 4, y - 4, "end")
    name = text(left, base + 4, shorten(_words(model), room, SIZE), "label")
    return tag("g", title, *marks, name, class_=own)


def _outlier_labels(comparison: Comparison) -> set[str]:
    return {model.label for model in find_outliers(comparison)}


def _words(model: ModelRow) -> str:
    return f"{model.label}, diverged" if model.diverged else model.label


def _at(band: Band, against: str) -> float:
    return float(getattr(band, against))
