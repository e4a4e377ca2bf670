"""Draw performance profiles: the share of problems that a model solves within a factor of the best (Dolan and More)."""

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.crossings import Measure
from zoo.experiments.judge.profile import Profile
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.scale import Scale, horizontal_axis, share_axis
from zoo.reports.figures.svg import drawing
from zoo.reports.numbers import plain

TITLES: dict[Measure, str] = {
    "steps": "steps over the fewest",
    "tokens": "training tokens over the fewest",
    "flops": "FLOPs over the fewest",
    "seconds": "seconds of training over the fewest",
}
HEIGHT = 300.0
LEAST, MOST = 1.5, 100.0
"""Range of the largest factor shown."""


def profile(comparison: Comparison, measure: Measure, *, width: float = 960.0) -> str:
    """Draw the figure; empty for a single target loss or model, or if no model got anywhere."""
    found = [own for own in (comparison.targets.profiles if comparison.targets else ()) if own.measure == measure]
    if not found or not any(found[0].ratios.values()):
        return ""
    (own,) = found
    narrow = width < 600
    largest = max(ratio for ratios in own.ratios.values() for ratio in ratios)
    most = min(max(1.1 * largest, LEAST), MOST)
    lines = [
        Line(label, label, colour_class(comparison, label), _stairs(own, label, most))
        for label in sorted(own.ratios, key=lambda label: (-len(own.ratios[label]), -own.share(label, 1.0)))
    ]
    names = room_for_names(lines, narrow)
    left, right, bottom = 46.0 if narrow else 58.0, width - names - 22, HEIGHT - FOOT
    across, up = Scale(1.0, most, left, right, log=True), Scale(-0.01, 1.0, bottom, TOP + 2)
    axes = (
        share_axis(up, left, right, "share of problems"),
        horizontal_axis(across, TOP, bottom, TITLES[measure], plain, 4 if narrow else 9),
    )
    return drawing(width, HEIGHT, *axes, *draw_lines(lines, across, up, names),
                   label=f"Share of problems solved against {TITLES[measure]}")  # fmt: skip


def _stairs(own: Profile, label: str, most: float) -> list[Dot]:
    """The corners of the staircase of a model, from factor 1 to the largest shown."""
    share = own.share(label, 1.0)
    corners = [(1.0, share)]
    for ratio in own.ratios[label]:
        if 1.0 < ratio <= most:
            corners += [(ratio, share), (ratio, own.share(label, ratio))]
            share = corners[-1][1]
    return [Dot(x, y, y, y) for x, y in [*corners, (most, share)]]
