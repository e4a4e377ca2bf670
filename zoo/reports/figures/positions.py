"""Draw loss against position in context: a line for each model, with the interval of its mean."""

from collections.abc import Sequence

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.positions import Place
from zoo.experiments.judge.references import Reference
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import covering, horizontal_axis, loss_axis
from zoo.reports.figures.svg import drawing
from zoo.reports.numbers import plain


def positions(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if no model has its losses at two positions."""
    far = find_outliers(comparison)
    lines = [
        line_of(model.by_position, model.label, colour_class(comparison, model.label))
        for model in comparison.models
        if len(model.by_position) > 1
    ]
    near = {model.label for model in comparison.models if model not in far}
    if not lines:
        return ""
    shown = [own for own in lines if own.title in near] or lines
    return draw_positions(
        lines, shown, width, comparison.references, shown_losses(comparison.data, comparison.references)
    )


def line_of(places: Sequence[Place], name: str, colour: str) -> Line:
    """The line of a model, with its band where there are intervals."""
    dots = [
        Dot(
            place.middle,
            place.mean,
            place.mean if place.low is None else place.low,
            place.mean if place.high is None else place.high,
        )
        for place in places
    ]
    return Line(name, name, colour, dots)


def draw_positions(
    lines: Sequence[Line],
    shown: Sequence[Line],
    width: float,
    references: Sequence[Reference] = (),
    further: Sequence[float] = (),
) -> str:
    """Draw the lines; `shown` are those that set the height, with `further` losses."""
    narrow = width < 600
    left, height = (46.0, 330.0) if narrow else (58.0, 360.0)
    names = room_for_names(lines, narrow)
    right, bottom = width - names - 22, height - FOOT
    across = covering([dot.x for own in lines for dot in own.dots], left + 8, right, log=True, margin=0.0)
    ends = [value for own in shown for dot in own.dots for value in (dot.low, dot.high)]
    up = covering([*ends, *further], bottom, TOP)
    known = draw_levels(references, up, left, right)
    axes = (
        loss_axis(up, left, right, "test loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, "tokens before", plain, 4 if narrow else 9),
    )
    return drawing(
        width,
        height,
        *axes,
        *known.lines,
        *draw_lines(lines, across, up, names),
        *known.names,
        label="Test loss against position",
    )
