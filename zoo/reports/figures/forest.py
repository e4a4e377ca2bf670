"""Draw mean scores as a forest plot: for each model its interval, its seeds or splits, and published figures."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.references import Reference
from zoo.experiments.judge.rows import Interval
from zoo.reports.figures.outliers import find_outliers
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import STEP, draw_flags, name_line
from zoo.reports.figures.scale import Scale, covering, loss_axis
from zoo.reports.figures.svg import circle, diamond, drawing, line, path, shorten, tag, text, text_width
from zoo.reports.numbers import half_width, loss

SIZE = 13.0
TOP, FOOT = 34.0, 46.0
MOST_DOTS = 100
"""Most seeds or splits that have a dot each."""


@dataclass(frozen=True)
class Row:
    """A model of the plot: its mean with interval, or words in its place, and a dot for every seed or split."""

    label: str
    colour: str
    """CSS class of its colour."""
    test: Interval | None
    dots: Sequence[float]
    letters: str = ""
    without_mean: str = ""
    published: float | None = None


@dataclass(frozen=True)
class Look:
    """What all rows of a plot share."""

    width: float
    digits: int = 4
    units: bool = True
    """Whether scores are losses in nats per token."""
    top: float = TOP
    """Height above the first row."""
    shows_all: bool = False
    """Whether the axis shows every line, however far it is."""

    @property
    def narrow(self) -> bool:
        """Whether names stand above the marks."""
        return self.width < 600


def forest(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure of a comparison; empty if no model finished under every seed."""
    rows = [
        Row(
            model.label,
            colour_class(comparison, model.label),
            model.test,
            _choose_dots([value for value in (model.split_losses or model.losses).values() if value is not None]),
            model.letters,
            model.without_mean,
            model.published.validation if model.published else None,
        )
        for model in comparison.models
    ]
    dots = "splits" if comparison.study.splits > 1 else "seeds"
    label = f"Test loss of every model with its interval, its {dots}, the floor and published figures"
    far = {model.label for model in find_outliers(comparison)}
    known = comparison.references
    rows_above = max(1, len(known) + any(row.published is not None for row in rows))
    look = Look(width, top=TOP + STEP * (rows_above - 1), shows_all=comparison.data.task is not None)
    return draw_forest(rows, "test loss", label, far=far, references=known, look=look)


def _choose_dots(values: Sequence[float]) -> Sequence[float]:
    """Return the values, or of many their percentiles, from the lowest to the highest."""
    if len(values) <= MOST_DOTS:
        return values
    ordered = sorted(values)
    return [ordered[round(place * (len(ordered) - 1) / 100)] for place in range(101)]


def draw_forest(
    rows: Sequence[Row],
    axis: str,
    label: str,
    *,
    look: Look,
    far: AbstractSet[str] = frozenset(),
    references: Sequence[Reference] = (),
) -> str:
    """Draw the figure; empty if no model has a mean.

    Args:
        axis: name of the score.
        label: what the figure shows, for readers who cannot see it.
        far: labels of models that the axis leaves out.
        references: the lines of known predictors, from the lowest.
    """
    if not any(row.test for row in rows):
        return ""
    height, width = 46.0 if look.narrow else 30.0, look.width
    bottom = look.top + height * len(rows) + 6
    names = min(max(text_width(row.label, SIZE) for row in rows) + 14, 250.0)
    start, end = (8.0, width - 8.0) if look.narrow else (names, width - 158.0)
    near = [row for row in rows if row.label not in far]
    scale = _scale(near, references, start, end, look.shows_all)
    while reached := [row for row in rows if row.test and row not in near and scale.inside(row.test.mean)]:
        near += reached  # the intervals of the others reach them: so the axis shows theirs too
        scale = _scale(near, references, start, end, look.shows_all)
    ruled = loss_axis(scale, look.top, bottom, axis, 5 if look.narrow else 8, upright=False, units=look.units)
    drawn = [
        _row(row, scale, look.top + height * place + height / 2 + 3, names, look) for place, row in enumerate(rows)
    ]
    inside = [own for own in references if scale.inside(own.loss)]
    names_end = look.top - STEP * _is_published(rows)
    flags = draw_flags(inside, scale, names_end, bottom, width, look.digits)
    above = [*_beyond(references, scale, names_end, look.digits), *_explain_diamonds(rows, scale, look)]
    return drawing(width, bottom + FOOT, ruled, *flags, *above, *drawn, label=label)


def _is_published(rows: Sequence[Row]) -> bool:
    return any(row.published is not None for row in rows)


def _scale(rows: Sequence[Row], references: Sequence[Reference], start: float, end: float, every: bool) -> Scale:
    """The scale that shows all intervals, seeds and published figures, and every line or those that are near."""
    shown = [value for row in rows if row.test for value in row.dots]
    shown += [end for row in rows if row.test for end in (row.test.low, row.test.high) if end is not None]
    shown += [row.published for row in rows if row.published is not None]
    low, high = min(shown), max(shown)
    near = max(high - low, 0.02)
    shown += [own.loss for own in references if every or low - near < own.loss < high + near]
    return covering(shown, start, end)


def _beyond(references: Sequence[Reference], scale: Scale, bottom: float, digits: int) -> list[Markup]:
    """The values of lines that are beyond the axis, with an arrow, above those of other lines."""
    marks, below = [], sum(scale.inside(own.loss) for own in references)
    for place, own in enumerate(own for own in references if not scale.inside(own.loss)):
        x, arrow = (scale.start, "← ") if own.loss < scale.low else (scale.end - 110, "→ ")
        y = bottom - 8 - STEP * (below + place)
        marks.append(tag("text", arrow, *name_line(own, digits), x=x, y=y, class_="note"))
    return marks


def _explain_diamonds(rows: Sequence[Row], scale: Scale, look: Look) -> list[Markup]:
    """The meaning of the diamonds, right above the rows."""
    if not _is_published(rows):
        return []
    x = scale.end - 150
    marks = diamond(x, look.top - 12, 4.5, "published")
    return [marks, text(x + 9, look.top - 8, "published, validation", "note")]


def _row(row: Row, scale: Scale, y: float, names: float, look: Look) -> Markup:
    narrow, width = look.narrow, look.width
    base, room = (y - 13, width - 150) if narrow else (y + 4, names - 10)
    name = text(8 if narrow else 0, base, shorten(row.label, room, SIZE), "label")
    if row.test is None:
        place, anchor = (width - 8, "end") if narrow else (width - 146, None)  # where other rows have their mean
        what = text(place, base, row.without_mean, "note", anchor)
        return tag("g", tag("title", row.label), name, what, class_=row.colour)
    marks = _marks(row, row.test, scale, y + 4 if narrow else y)
    number = _number(row, row.test, base, look)
    return tag("g", tag("title", row.label), name, *marks, number, class_=row.colour)


def _marks(row: Row, test: Interval, scale: Scale, y: float) -> list[Markup]:
    """Interval, mean, seeds below them, and published figure; only an arrow for a model beyond the axis."""
    if not scale.inside(test.mean):
        return [path([(scale.end - 10, y - 5), (scale.end, y), (scale.end - 10, y + 5)], "end", closed=True)]
    seeds = [scale(value) for value in row.dots]
    if len(seeds) == 1:
        marks = [circle(seeds[0], y, 4.0, "seed alone")]
    else:
        marks = [circle(x, y + 9, 2.4, "seed") for x in seeds]
        marks.append(line(scale(test.mean), y - 7, scale(test.mean), y + 4, "mean"))
    if test.low is not None and test.high is not None:
        marks.append(line(scale(test.low), y - 1, scale(test.high), y - 1, "interval"))
    if row.published is not None:
        marks.append(diamond(scale(row.published), y - 1, 4.5, "published"))
    return marks


def _number(row: Row, test: Interval, base: float, look: Look) -> Markup:
    """The text at the end of the row: mean, interval and letters."""
    spread = half_width(test)
    parts: list[object] = [tag("tspan", loss(test.mean, digits=look.digits), data_nats=f"{test.mean:.9g}")]
    if spread is not None:
        parts += [tag("tspan", " ± "), tag("tspan", loss(spread, digits=look.digits), data_nats=f"{spread:.9g}")]
    if row.letters:
        parts.append(f"  {row.letters}")
    return tag("text", *parts, x=look.width - 8 if look.narrow else look.width - 146, y=base, class_="number",
               text_anchor="end" if look.narrow else None)  # fmt: skip
