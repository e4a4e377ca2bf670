"""Draw how a search went on: the lowest validation loss so far against the number of trials, a line per model."""

from collections.abc import Sequence

from zoo.experiments.judge.comparison import Comparison
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.reference_lines import draw_levels, shown_losses
from zoo.reports.figures.scale import Scale, horizontal_axis, loss_axis
from zoo.reports.figures.search import cut_scale
from zoo.reports.figures.svg import drawing
from zoo.reports.numbers import plain

HEIGHT = 280.0


def search_trials(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if no model has two trials."""
    lowest = {tuned.label: tuned.lowest_so_far() for tuned in comparison.tuned if len(tuned.trials) > 1}
    lines = [
        Line(label, label, colour_class(comparison, label), _stairs(found)) for label, found in lowest.items() if found
    ]
    if not lines:
        return ""
    narrow = width < 600
    names = room_for_names(lines, narrow)
    left, right, bottom = 46.0 if narrow else 58.0, width - names - 22, HEIGHT - FOOT
    most = max(len(tuned.trials) for tuned in comparison.tuned)
    across = Scale(1.0, float(most), left + 8, right)
    known = shown_losses(comparison.data, comparison.references)
    losses, ends = [dot.y for own in lines for dot in own.dots], [own.dots[-1].y for own in lines]
    up = cut_scale([*losses, *known], [*ends, *known], bottom, TOP)
    levels = draw_levels(comparison.references, up, left, right)
    axes = (
        loss_axis(up, left, right, "lowest validation loss", 5, upright=True),
        horizontal_axis(across, TOP, bottom, "trials", plain, min(most, 4 if narrow else 8)),
    )
    return drawing(width, HEIGHT, *axes, *levels.lines, *draw_lines(lines, across, up, names), *levels.names,
                   label="Lowest validation loss so far against the number of trials")  # fmt: skip


def _stairs(lowest: Sequence[tuple[int, float]]) -> list[Dot]:
    """(Trial, lowest loss) -> the corners of a staircase."""
    dots: list[Dot] = []
    for number, loss in lowest:
        if dots and loss < dots[-1].y:
            before = dots[-1].y
            dots.append(Dot(number, before, before, before))
        dots.append(Dot(number, loss, loss, loss))
    return dots
