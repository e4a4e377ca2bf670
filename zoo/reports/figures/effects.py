"""Draw the effects of an ablation: the change of the loss with its interval, ordered, against zero."""

from markupsafe import Markup

from zoo.experiments.judge.ablation import Effect
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.effects import effect_words
from zoo.reports.figures.scale import Scale, covering, loss_axis
from zoo.reports.figures.svg import circle, drawing, line, path, shorten, tag, text, text_width
from zoo.reports.numbers import loss

SIZE = 13.0
TOP, FOOT = 34.0, 46.0
COLOURS = {"worse": "m1", "better": "m0"}
FAR = 6.0
"""Ratio of the largest effect to the median one from which on it is drawn beyond the axis."""


def draw_effects(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if there are no effects."""
    ablated = comparison.ablation
    effects = [effect for effect in ablated.effects if effect.pair] if ablated else []
    if ablated is None or not effects:
        return ""
    narrow = width < 600
    height = 46.0 if narrow else 26.0
    bottom = TOP + height * len(effects) + 6
    names = min(max(text_width(effect.label, SIZE) for effect in effects) + 14, 250.0)
    start, end = (8.0, width - 8.0) if narrow else (names, width - 196.0)
    scale = _scale(effects, start, end)
    axis = loss_axis(
        scale, TOP, bottom, f"test loss, minus that of {ablated.baseline}", 5 if narrow else 8, upright=False
    )
    zero = line(scale(0.0), TOP - 12, scale(0.0), bottom, "floor")
    above = text(scale(0.0) + 5, TOP - 8, ablated.baseline, "note")
    rows = [
        _row(effect, scale, TOP + height * index + height / 2 + 3, names, width) for index, effect in enumerate(effects)
    ]
    label = "The effect of every change on the test loss, with its interval, from the worst to the best"
    return drawing(width, bottom + FOOT, axis, zero, above, *rows, label=label)


def _scale(effects: list[Effect], start: float, end: float) -> Scale:
    """The scale of all intervals and of zero, without effects far beyond most."""
    sizes = sorted(abs(effect.pair.difference) for effect in effects if effect.pair)
    limit = FAR * max(sizes[len(sizes) // 2], sizes[-1] / 50)
    shown = [0.0]
    for pair in (effect.pair for effect in effects):
        if pair and abs(pair.difference) <= limit:
            shown += [value for value in (pair.difference, *pair.interval) if value is not None]
    return covering(shown if len(shown) > 1 else [0.0, *sizes], start, end)


def _row(effect: Effect, scale: Scale, y: float, names: float, width: float) -> Markup:
    narrow, pair = width < 600, effect.pair
    if pair is None:
        return Markup()
    base, room = (y - 13, width - 190) if narrow else (y + 4, names - 10)
    name = text(8 if narrow else 0, base, shorten(effect.label, room, SIZE), "label")
    number = tag("tspan", loss(pair.difference, signed=True), data_nats=f"{pair.difference:.9g}", data_signed="")
    place, anchor = (width - 8, "end") if narrow else (width - 186, None)
    words = tag(
        "text",
        number,
        f"  {effect_words(effect).partition(' (')[0]}",
        x=place,
        y=base,
        class_="number",
        text_anchor=anchor,
    )
    at = y + 4 if narrow else y
    title = tag("title", f"{effect.label}: {effect_words(effect)}")
    return tag("g", title, name, *_marks(pair.difference, pair.interval, scale, at), words,
               class_=COLOURS.get(effect.kind, "signs"))  # fmt: skip


def _marks(mean: float, interval: tuple[float | None, float | None], scale: Scale, y: float) -> list[Markup]:
    """The interval and the mean; an arrow for an effect beyond the axis."""
    if mean > scale.high:
        return [path([(scale.end - 10, y - 5), (scale.end, y), (scale.end - 10, y + 5)], "end", closed=True)]
    if mean < scale.low:
        return [path([(scale.start + 10, y - 5), (scale.start, y), (scale.start + 10, y + 5)], "end", closed=True)]
    low, high = interval
    marks = [circle(scale(mean), y, 4.0, "seed alone")]
    if low is not None and high is not None:
        marks.insert(0, line(max(scale(low), scale.start), y, min(scale(high), scale.end), y, "interval"))
    return marks
