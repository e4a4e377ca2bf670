"""Draw learning curves: validation loss against tokens or seconds, a line per model with a band, and target losses."""

from typing import Literal

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Band, ModelRow
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import Scale, bent, horizontal_axis, loss_axis
from zoo.reports.figures.svg import drawing, line
from zoo.reports.numbers import plain

TITLES = {"tokens": "training tokens", "seconds": "seconds of training"}
EARLY = 0.25
"""Share of training after which losses get most of the height; before, all fall from about the same loss."""


def curves(comparison: Comparison, against: Literal["tokens", "seconds"] = "tokens", *, width: float = 960.0) -> str:
    """Draw the figure; empty if no model has a curve of two points. Models of counts are horizontal lines."""
    models = [model for model in comparison.models if len(model.curve) > 1]
    if not models:
        return ""
    end = max(_at(model.curve[-1], against) for model in models)
    models = [model for model in comparison.models if model in models or (model.curve and model.counted is not None)]
    narrow = width < 600
    left, height = (46.0, 330.0) if narrow else (58.0, 400.0)
    lines = [
        Line(
            f"{model.label}, diverged" if model.diverged else model.label,
            model.label,
            colour_class(comparison, model.label),
            [Dot(_at(band, against), band.mean, band.low, band.high) for band in model.curve]
            if model.counted is None
            else [Dot(across, model.curve[0].mean, model.curve[0].mean, model.curve[0].mean) for across in (0.0, end)],
            crossed=model.diverged > 0,
            level=model.counted is not None,
        )
        for model in models
    ]
    names = room_for_names(lines, narrow)
    right, bottom = width - names - 22, height - FOOT
    across = Scale(0.0, end or 1.0, left, right)
    up = _height(comparison, models, bottom)
    axes = (
        loss_axis(up, left, right, "validation loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, TITLES[against], plain, 4 if narrow else 8),
    )
    known = draw_levels(comparison.references, up, left, right)
    aims = [line(left, up(loss), right, up(loss), "target") for loss in comparison.study.target if up.inside(loss)]
    marks = draw_lines(lines, across, up, names)
    return drawing(
        width,
        height,
        *axes,
        *known.lines,
        *aims,
        *marks,
        *known.names,
        label=f"Validation loss against {TITLES[against]}",
    )


def bend(comparison: Comparison) -> float | None:
    """The loss above which the axis of the figure is compressed; None if it is not."""
    models = [model for model in comparison.models if len(model.curve) > 1]
    shown = [*models, *(model for model in comparison.models if model.curve and model.counted is not None)]
    return getattr(_height(comparison, shown, 300.0), "knee", None) if models else None


def _height(comparison: Comparison, models: list[ModelRow], bottom: float) -> Scale:
    """The scale of losses, without outliers and diverged models; the losses of early training may be compressed."""
    far = {model.label for model in find_outliers(comparison)}
    ends = {model.label: model.curve[-1].tokens for model in models}
    shown = [model for model in models if not model.diverged and model.label not in far] or models
    late = [band for model in shown for band in model.curve if band.tokens >= EARLY * ends[model.label]]
    first = [band for model in shown for band in model.curve]
    return bent(
        [value for band in late for value in (band.low, band.high)]
        + shown_losses(comparison.data, comparison.references),
        [value for band in first for value in (band.low, band.high)],
        bottom,
        TOP,
    )


def _at(band: Band, against: str) -> float:
    return float(getattr(band, against))
