"""Draw test losses as a forest plot: for each model its interval, its seeds or splits, and published figures."""

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import Interval, ModelRow
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.scale import Scale, covering, loss_axis
from zoo.reports.figures.svg import circle, diamond, drawing, line, path, shorten, tag, text, text_width
from zoo.reports.numbers import half_width, loss

SIZE = 13.0
TOP, FOOT = 34.0, 46.0


def forest(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if no model finished under every seed."""
    models, narrow = comparison.models, width < 600
    if not any(model.test for model in models):
        return ""
    height = 46.0 if narrow else 30.0
    bottom = TOP + height * len(models) + 6
    names = min(max(text_width(model.label, SIZE) for model in models) + 14, 250.0)
    far = find_outliers(comparison)
    scale = _scale(
        [model for model in models if model not in far], 8.0 if narrow else names, width - (8.0 if narrow else 158.0)
    )
    axis = loss_axis(scale, TOP, bottom, "test loss", 5 if narrow else 8, upright=False)
    rows = [
        _row(comparison, model, scale, TOP + height * index + height / 2 + 3, names, width)
        for index, model in enumerate(models)
    ]
    body = (axis, *_above(comparison, scale), *_floor(models, scale, bottom, height, narrow), *rows)
    dots = "splits" if comparison.study.splits > 1 else "seeds"
    label = f"Test loss of every model with its interval, its {dots}, the floor and published figures"
    return drawing(width, bottom + FOOT, *body, label=label)


def _scale(models: list[ModelRow], start: float, end: float) -> Scale:
    """The scale that shows all intervals, seeds and published figures, and the floor unless it is far off."""
    shown = [value for model in models if model.test for value in _dots(model)]
    shown += [end for model in models if model.test for end in (model.test.low, model.test.high) if end is not None]
    shown += [value for model in models if (value := _published(model)) is not None]
    floor = models[0].floor
    if floor is not None and min(shown) - floor < max(max(shown) - min(shown), 0.02):
        shown.append(floor)
    return covering(shown, start, end)


def _floor(models: tuple[ModelRow, ...], scale: Scale, bottom: float, height: float, narrow: bool) -> list[Markup]:
    """The line of the floor; a narrow figure interrupts it for the names above the marks."""
    floor = models[0].floor
    if floor is None or not scale.inside(floor):
        return []
    x = scale(floor)
    if not narrow:
        return [line(x, TOP - 18, x, bottom, "floor")]
    middles = (TOP + height * (index + 0.5) + 7 for index in range(len(models)))
    return [line(x, y - 11, x, y + 11, "floor") for y in middles]


def _above(comparison: Comparison, scale: Scale) -> list[Markup]:
    """The notes above the rows: the value of the floor, and the meaning of the diamonds."""
    floor, floor_end = comparison.models[0].floor, scale.start
    marks: list[Markup] = []
    if floor is not None:
        words = ("floor ", tag("tspan", loss(floor), data_nats=f"{floor:.9g}"))
        if scale.inside(floor):
            x = scale(floor)
            marks.append(tag("text", *words, x=x + 5, y=TOP - 8, class_="note"))
        else:
            x, arrow = (scale.start, "← ") if floor < scale.low else (scale.end - 110, "→ ")
            marks.append(tag("text", arrow, *words, x=x, y=TOP - 8, class_="note"))
        floor_end = x + 110
    if any(_published(model) is not None for model in comparison.models):
        x = max(scale.end - 150, floor_end + 20)
        marks += [diamond(x, TOP - 12, 4.5, "published"), text(x + 9, TOP - 8, "published, validation", "note")]
    return marks


def _row(comparison: Comparison, model: ModelRow, scale: Scale, y: float, names: float, width: float) -> Markup:
    narrow = width < 600
    own = colour_class(comparison, model.label)
    base, room = (y - 13, width - 150) if narrow else (y + 4, names - 10)
    name = text(8 if narrow else 0, base, shorten(model.label, room, SIZE), "label")
    if model.test is None:
        place, anchor = (width - 8, "end") if narrow else (width - 146, None)  # where other rows have their mean
        what = text(place, base, model.without_mean, "note", anchor)
        return tag("g", tag("title", model.label), name, what, class_=own)
    marks = _marks(model, model.test, scale, y + 4 if narrow else y)
    return tag("g", tag("title", model.label), name, *marks, _number(model, base, width), class_=own)


def _marks(model: ModelRow, test: Interval, scale: Scale, y: float) -> list[Markup]:
    """Interval, mean, seeds below them, and published figure; only an arrow for a model beyond the axis."""
    if not scale.inside(test.mean):
        return [path([(scale.end - 10, y - 5), (scale.end, y), (scale.end - 10, y + 5)], "end", closed=True)]
    seeds = [scale(value) for value in _dots(model)]
    if len(seeds) == 1:
        marks = [circle(seeds[0], y, 4.0, "seed alone")]
    else:
        marks = [circle(x, y + 9, 2.4, "seed") for x in seeds]
        marks.append(line(scale(test.mean), y - 7, scale(test.mean), y + 4, "mean"))
    if test.low is not None and test.high is not None:
        marks.append(line(scale(test.low), y - 1, scale(test.high), y - 1, "interval"))
    if (published := _published(model)) is not None:
        marks.append(diamond(scale(published), y - 1, 4.5, "published"))
    return marks


def _number(model: ModelRow, base: float, width: float) -> Markup:
    """The text at the end of the row: mean, interval and letters."""
    assert model.test is not None
    spread = half_width(model.test)
    parts: list[object] = [tag("tspan", loss(model.test.mean), data_nats=f"{model.test.mean:.9g}")]
    if spread is not None:
        parts += [tag("tspan", " ± "), tag("tspan", loss(spread), data_nats=f"{spread:.9g}")]
    if model.letters:
        parts.append(f"  {model.letters}")
    return tag("text", *parts, x=width - 8 if width < 600 else width - 146, y=base, class_="number",
               text_anchor="end" if width < 600 else None)  # fmt: skip


def _dots(model: ModelRow) -> list[float]:
    """The loss under every seed, or on every split if there are several."""
    return [value for value in (model.split_losses or model.losses).values() if value is not None]


def _published(model: ModelRow) -> float | None:
    return model.published.validation if model.published else None
