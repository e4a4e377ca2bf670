"""Draw the lines of known predictors across a figure, each with its name."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from zoo.experiments.judge.references import Reference
from zoo.experiments.records.run import DataRecord
from zoo.reports.figures.scale import Scale
from zoo.reports.figures.svg import line, tag, text_width
from zoo.reports.numbers import loss

SIZE = 12.0
NARROW = 400.0
"""Width of a plot below which lines have their losses alone, without names."""
STEP = 15.0
"""Height of a row of names."""


class Levels(NamedTuple):
    """Lines across an axis, and their names, which are drawn above everything else."""

    lines: list[Markup]
    names: list[Markup]
    boxes: list[tuple[float, float, float, float]]
    """Left, top, right and bottom of each name, where no other word may stand."""


def shown_losses(data: DataRecord, references: Sequence[Reference]) -> list[float]:
    """Return the losses of lines that every scale shows: all those of a task; of text none."""
    return [own.loss for own in references] if data.task else []


def name_line(reference: Reference, digits: int = 4) -> tuple[object, ...]:
    """Return the words at a line: its name, and its loss, which the page shows in nats or bits."""
    value = tag("tspan", loss(reference.loss, digits=digits), data_nats=f"{reference.loss:.9g}")
    return f"{reference.name} ", value


def room_of(reference: Reference) -> float:
    """Return the width of the words at a line."""
    return text_width(f"{reference.name} {reference.loss:.4f}", SIZE) + 6


def draw_levels(references: Sequence[Reference], up: Scale, left: float, right: float) -> Levels:
    """Draw lines across an upright axis, their names and losses above them; those at one height stand side by side."""
    lines, names, ends = list[Markup](), list[Markup](), dict[float, float]()
    boxes = list[tuple[float, float, float, float]]()
    for own in references:
        if not up.inside(own.loss):
            continue
        if right - left < NARROW:
            own = own.model_copy(update={"name": ""})
        y = up(own.loss)
        taken = [end for place, end in ends.items() if abs(place - y) < STEP]
        x = max([left + 6, *(end + 10 for end in taken)])
        ends[y] = x + room_of(own)
        lines.append(line(left, y, right, y, "floor"))
        base = y + 13 if y < up.end + 16 else y - 4
        names.append(tag("text", *name_line(own), x=x, y=base, class_="note"))
        boxes.append((x - 2, base - 12, ends[y], base + 4))
    return Levels(lines, names, boxes)


def draw_flags(
    references: Sequence[Reference], across: Scale, top: float, bottom: float, width: float, digits: int
) -> list[Markup]:
    """Draw lines down from a row of names each, the lowest loss in the highest row, so that no line crosses a name."""
    marks = list[Markup]()
    for place, own in enumerate(references):
        x, y = across(own.loss), top - 8 - STEP * (len(references) - 1 - place)
        start = x + 5 if x + 5 + room_of(own) < width else max(2.0, x - 5 - room_of(own))
        marks += [
            line(x, y - 10, x, bottom, "floor"),
            tag("text", *name_line(own, digits), x=start, y=y, class_="note"),
        ]
    return marks
