"""Draw the trials of a search: validation loss against every searched setting, a panel for each."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.tuned import Tuned
from zoo.reports.figures.key import draw_key, draw_sign
from zoo.reports.figures.lines import FOOT, TOP
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import UNITS, Scale, covering, loss_axis
from zoo.reports.figures.settings import Across, make_across
from zoo.reports.figures.svg import drawing, line, tag
from zoo.reports.search_facts import format_value

SIGNS = {
    "best": "best of its model",
    "written": "as written",
    "pruned": "pruned, at its loss then",
    "beyond": "above the axis",
    "diverged": "diverged",
}
PLOT, GAP = 200.0, 30.0
"""Height of the plot of a panel, and the room between two side by side."""
FENCE = 1.5
"""Losses more than this many interquartile ranges above the third quartile are above the axis (Tukey's fence)."""
FEWEST = 4
"""Number of losses from which on any are above the axis."""


def search_settings(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if no trial has a loss."""
    models = [tuned for tuned in comparison.tuned if tuned.losses]
    if not models:
        return ""
    names = list(dict.fromkeys(name for tuned in models for name in tuned.space))
    narrow = width < 600
    left, right = (46.0, width - 10) if narrow else (58.0, width - 14)
    columns = 1 if narrow else 2 if len(names) in (2, 4) else min(3, len(names))
    room, high = (right - left - GAP * (columns - 1)) / columns, PLOT + TOP + FOOT
    known = shown_losses(comparison.data, comparison.references)
    losses = [loss for tuned in models for loss in tuned.losses]
    plain = cut_scale([*losses, *known], [*(min(tuned.losses) for tuned in models), *known])
    found = {sign for tuned in models for signs in _signs(tuned, plain) for sign in signs}
    key, top = draw_key(
        [(tuned.label, colour_class(comparison, tuned.label)) for tuned in models],
        [(sign, words) for sign, words in SIGNS.items() if sign in found],
        width,
    )
    panels = []
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        start, head = left + column * (room + GAP), top + TOP + row * high
        own = [tuned for tuned in models if name in tuned.space]
        across, up = make_across(name, own, start, start + room), Scale(plain.low, plain.high, head + PLOT, head)
        axes = _levels(up, start, start + room, first=column == 0) + across.draw(name, head, head + PLOT)
        marks = [
            tag("g", tag("title", tuned.label), *_marks(tuned, name, lane, across, up, best=best),
                class_=colour_class(comparison, tuned.label))
            for best in (False, True)  # the best ones last, so that no other trial hides them
            for lane, tuned in enumerate(own)
        ]  # fmt: skip
        lines = draw_levels(comparison.references, up, start, start + room)
        panels.append(axes + Markup().join([*lines.lines, *marks, *(lines.names if column == 0 else [])]))
    height = top + -(-len(names) // columns) * high
    return drawing(width, height, key, *panels, label="Validation loss of every trial against each searched setting")


def cut_scale(losses: Sequence[float], inside: Sequence[float], start: float = 0.0, end: float = 1.0) -> Scale:
    """The scale of losses without those far above most, which would squeeze the others; `inside` is kept."""
    ranked = sorted(losses)
    limit = ranked[-1]
    if len(ranked) >= FEWEST:
        low, high = ranked[len(ranked) // 4], ranked[3 * len(ranked) // 4]
        limit = max(high + FENCE * (high - low), *inside)
    return covering([loss for loss in ranked if loss <= limit], start, end, margin=0.08)


def _signs(tuned: Tuned, up: Scale) -> Iterator[list[str]]:
    """The signs of each trial, one over the other; none for a trial that failed or was refused."""
    for number, trial in enumerate(tuned.trials):
        if trial.shown is None:
            yield ["diverged"] if trial.status == "diverged" else []
            continue
        first = number == 0 and tuned.written is not None
        sign = "beyond" if not up.inside(trial.shown) else "written" if first else str(trial.status)
        yield [sign, "best"] if number == tuned.best and trial.status == "finished" else [sign]


def _marks(tuned: Tuned, name: str, lane: int, across: Across, up: Scale, *, best: bool) -> Iterator[Markup]:
    """The signs of the best trial, or of all others in their order."""
    count = len(tuned.trials)
    for number, (trial, signs) in enumerate(zip(tuned.trials, _signs(tuned, up), strict=True)):
        if not signs or best != (number == tuned.best):
            continue
        value, loss = trial.chosen[name], trial.shown
        inside = loss is not None and up.inside(loss)
        x, y = across(value, lane, (number + 0.5) / count), up(loss) if loss is not None and inside else up.end
        title = tag("title", f"{tuned.label}, trial {number + 1}: {name}={format_value(value)}")
        yield tag("g", title, *(draw_sign(sign, x, y) for sign in signs))


def _levels(up: Scale, left: float, right: float, *, first: bool) -> Markup:
    """The axis of losses; a panel that is not the first of its row has only the grid."""
    if first:
        return loss_axis(up, left, right, "validation loss", 5, upright=True)
    groups = []
    for unit, size in UNITS.items():
        lines = [line(left, up(value * size), right, up(value * size), "grid") for value in up.ticks(5, size)]
        groups.append(tag("g", *lines, class_=f"axis {unit}", display=None if unit == "nats" else "none"))
    return Markup().join(groups)
