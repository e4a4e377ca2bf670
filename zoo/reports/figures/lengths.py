"""Draw what models get right against the length of documents, from the length they were trained on."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.lengths import Lengths
from zoo.reports.figures.lines import FOOT, TOP, Dot, Line, draw_lines, room_for_names
from zoo.reports.figures.palette import colour_class
from zoo.reports.figures.scale import Scale, horizontal_axis, share_axis
from zoo.reports.figures.svg import drawing, line, text
from zoo.reports.numbers import plain

APART = 12.0
"""Least distance of two lines that have names of their own, in pixels."""


@dataclass(frozen=True)
class LengthScale(Scale):
    """A scale whose ticks are the lengths that were scored."""

    known: tuple[int, ...] = ()

    def ticks(self, most: int, unit: float = 1.0) -> list[float]:
        return [length / unit for length in self.known[:: math.ceil(len(self.known) / most)]]


def lengths(comparison: Comparison, *, width: float = 960.0) -> str:
    """Draw the figure; empty if no longer documents were scored."""
    drawn = [_line_of(comparison, own) for own in comparison.lengths if own.points[0].accuracy is not None]
    if not drawn:
        return ""
    narrow = width < 600
    left, height = (46.0, 330.0) if narrow else (58.0, 360.0)
    names = room_for_names(drawn, narrow)
    right, bottom = width - names - 22, height - FOOT
    known = sorted({point.length for own in comparison.lengths for point in own.points})
    across = LengthScale(known[0] / 1.05, known[-1] * 1.05, left + 8, right, log=True, known=tuple(known))
    up = Scale(-0.02, 1.02, bottom, TOP)
    axes = (
        share_axis(up, left, right, "share of scored tokens that are right"),
        horizontal_axis(across, TOP, bottom, "tokens of a document", plain, 4 if narrow else 9),
    )
    levels, names_of_levels = _levels(comparison, up, left, right)
    label = "Share of scored tokens that are right against the length of documents"
    return drawing(width, height, *axes, *levels, *draw_lines(drawn, across, up, names), *names_of_levels, label=label)


def _line_of(comparison: Comparison, own: Lengths) -> Line:
    """The line of a model, up to the longest documents that it can take."""
    known = [point for point in own.points if point.accuracy is not None]
    dots = [
        Dot(
            point.length,
            point.accuracy,
            point.accuracy if point.low is None else point.low,
            point.accuracy if point.high is None else point.high,
        )
        for point in known
        if point.accuracy is not None
    ]
    cannot = len(known) < len(own.points)
    name = f"{own.label}, cannot" if cannot else own.label
    return Line(name, own.label, colour_class(comparison, own.label), dots, crossed=cannot)


def _levels(comparison: Comparison, up: Scale, left: float, right: float) -> tuple[list[Markup], list[Markup]]:
    """The lines of known predictors at the training length, where their shares are known, and their names."""
    known = [own for own in comparison.references if own.accuracy is not None and math.isfinite(own.accuracy)]
    heights = sorted((up(own.accuracy or 0.0), own.name) for own in known)
    marks, named = [line(left, y, right, y, "floor") for y, _ in heights], list[tuple[float, str]]()
    for y, name in heights:
        if named and y - named[-1][0] < APART:  # names of lines so near would cover each other
            named[-1] = named[-1][0], f"{named[-1][1]}, {name}"
        else:
            named.append((y, name))
    return marks, [text(left + 6, y + 13 if y < TOP + 10 else y - 4, names, "note") for y, names in named]
