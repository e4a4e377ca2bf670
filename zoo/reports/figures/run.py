"""Draw one run: its training and validation loss, and its loss by position."""

from itertools import pairwise

from zoo.experiments.judge.single import RunSummary
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.positions import draw_positions, line_of
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import Bent, Scale, bent, covering, horizontal_axis, loss_axis
from zoo.reports.figures.signals import Name, draw_signals
from zoo.reports.figures.svg import circle, drawing, line, tag, text
from zoo.reports.numbers import plain

EARLY = 0.25
"""Share of the steps after which losses get most of the height, as in `curves`."""
FAR = 50.0
"""Ratio of the highest to the lowest loss above which the axis is logarithmic."""
VALIDATION, TRAINING, POSITION = "m0", "m1", "m0"


def draw_run(run: RunSummary, width: float = 960.0) -> dict[str, str]:
    """Draw every figure that has numbers: name -> markup."""
    figures = {"curve": learning(run, width=width), "position": by_position(run, width=width)}
    names: tuple[Name, ...] = ("updates", "gradients", "saturation")
    figures |= {name: draw_signals(run, name, width=width) for name in names}
    return {name: markup for name, markup in figures.items() if markup}


def learning(run: RunSummary, *, width: float = 960.0) -> str:
    """Draw training and validation loss against steps; empty if the curve has fewer than two points.

    A training loss is the mean since the evaluation before, drawn at the middle of these steps.
    """
    if len(run.curve) < 2:
        return ""
    narrow = width < 600
    left, height = (46.0, 330.0) if narrow else (58.0, 400.0)
    lines = _lines(run)
    names = room_for_names(lines, narrow)
    right, bottom = width - names - 22, height - FOOT
    across, up = Scale(0.0, _last_step(run), left, right), _height(run, bottom)
    known = draw_levels(run.references, up, left, right)
    axes = (
        loss_axis(up, left, right, "loss", 7, upright=True),
        horizontal_axis(across, TOP, bottom, "steps", plain, 4 if narrow else 8),
    )
    kept = []
    best = next((point for point in run.curve if point.step == run.result.best_step), None)
    if best is not None:
        x, y = across(best.step), up(best.validation_loss)
        mark = [line(x, TOP - 4, x, bottom, "floor"), circle(x, y, 5.0, "point")]
        kept = [tag("g", tag("title", f"kept: the weights of step {best.step:,}"), *mark, class_=VALIDATION)]
        kept.append(text(x, TOP - 9, "kept", "note", "middle"))
    marks = draw_lines(lines, across, up, names)
    return drawing(
        width,
        height,
        *axes,
        *known.lines,
        *marks,
        *known.names,
        *kept,
        label="Training and validation loss against steps",
    )


def is_bent(run: RunSummary) -> bool:
    """Whether the axis of losses is compressed above a loss."""
    return len(run.curve) > 1 and isinstance(_height(run, 300.0), Bent)


def by_position(run: RunSummary, *, width: float = 960.0) -> str:
    """Draw test loss against position in context; empty with fewer than two positions."""
    if len(run.by_position) < 2:
        return ""
    lines = [line_of(run.by_position, run.label, POSITION)]
    return draw_positions(lines, lines, width, run.references, shown_losses(run.recorded.data, run.references))


def _last_step(run: RunSummary) -> float:
    return max(1.0, *(point.step for point in run.curve))


def _lines(run: RunSummary) -> list[Line]:
    diverged = run.result.status == "diverged"
    seen = [(float(point.step), point.validation_loss) for point in run.curve]
    learned = [
        ((before.step + point.step) / 2, point.train_loss)
        for before, point in pairwise(run.curve)
        if point.train_loss is not None
    ]
    named = (("validation", VALIDATION, seen), ("training", TRAINING, learned))
    return [
        Line(name, name, colour, [Dot(x, y, y, y) for x, y in points], crossed=diverged)
        for name, colour, points in named
        if points
    ]


def _height(run: RunSummary, bottom: float) -> Scale:
    dots = [dot for own in _lines(run) for dot in own.dots]
    lowest, highest = (end(dot.y for dot in dots) for end in (min, max))
    if lowest > 0 and highest > FAR * lowest:  # the run diverged
        return covering([lowest, highest], bottom, TOP, log=True)
    late = [dot.y for dot in dots if dot.x >= EARLY * _last_step(run)]
    late += shown_losses(run.recorded.data, run.references)
    return bent(late or [dot.y for dot in dots], [dot.y for dot in dots], bottom, TOP)
