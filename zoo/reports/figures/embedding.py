"""Draw an embedding: every token at its place in a plane."""

from zoo.probes.values import Plane
from zoo.reports.figures.scale import Scale, horizontal_axis, loss_axis
from zoo.reports.figures.svg import circle, clean, drawing, tag, text

SIZE = 560.0
LEFT, TOP, FOOT, ROOM = 46.0, 34.0, 44.0, 18.0
SPACES = {" ": "␣", "\n": "⏎", "\t": "⇥"}
"""Tokens without a mark of their own -> what is drawn."""


def embedding(plane: Plane, *, width: float = SIZE) -> str:
    """Draw the plane, with both axes on one scale, so that distances are right."""
    xs, ys = zip(*plane.points, strict=True)
    reach = max(max(xs) - min(xs), max(ys) - min(ys)) / 2 * 1.05 or 1.0
    middle = [(max(values) + min(values)) / 2 for values in (xs, ys)]
    bottom = TOP + width - LEFT - ROOM
    across = Scale(middle[0] - reach, middle[0] + reach, LEFT, width - ROOM)
    up = Scale(middle[1] - reach, middle[1] + reach, bottom, TOP)
    first, second = ("channel 1", "channel 2") if "two channels" in plane.method else ("component 1", "component 2")
    axes = (
        horizontal_axis(across, TOP, bottom, first, "{:g}".format, 6),
        loss_axis(up, LEFT, width - ROOM, second, 6, upright=True, units=False),
    )
    marks = []
    for token, (x, y) in zip(plane.tokens, plane.points, strict=True):
        named = text(across(x), up(y) + 4.5, _shown(token), "label", "middle")
        marks.append(tag("g", circle(across(x), up(y), 9.0, "band"), named, class_="m0"))
    return drawing(width, bottom + FOOT, *axes, *marks, label=f"Tokens in {plane.method}")


def _shown(token: str) -> str:
    return SPACES.get(token) or clean(token)
