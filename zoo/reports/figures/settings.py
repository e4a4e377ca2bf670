"""The horizontal axis of a searched setting: a range of numbers, or a band for each choice or whole number."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from zoo.calls import Value
from zoo.experiments.judge.tuned import Tuned
from zoo.reports.figures.scale import Scale, covering, horizontal_axis
from zoo.reports.figures.svg import line, shorten, tag, text
from zoo.reports.numbers import plain
from zoo.reports.search_facts import format_value

BAND = 0.8
"""Share of a choice's band that its trials take."""
TICKS = 5
"""Most numbers below a range."""
BANDS = 12
"""Whole numbers of at most so many values are drawn like choices, side by side."""


@dataclass(frozen=True)
class Across:
    """Where the values of a setting lie.

    Args:
        scale: of a range; None for choices.
        choices: texts of the choices.
        start, end: ends of the axis.
        lanes: number of models, each of which has a lane of its own within the band of a choice.
    """

    scale: Scale | None
    choices: tuple[str, ...]
    start: float
    end: float
    lanes: int

    def __call__(self, value: Value, lane: int, share: float) -> float:
        """Place a value; within the band of a choice in the model's lane, `share` (0 to 1) of it to the right."""
        if self.scale:
            return self.scale(float(value))
        place = self.choices.index(format_value(value)) + 0.5 + BAND * ((lane + share) / self.lanes - 0.5)
        return self.start + place * self._band

    @property
    def _band(self) -> float:
        return (self.end - self.start) / len(self.choices)

    def draw(self, name: str, top: float, bottom: float) -> Markup:
        """Draw the axis below a plot, with the name of the setting."""
        if self.scale:
            return horizontal_axis(self.scale, top, bottom, name, plain, TICKS)
        marks = []
        for number, choice in enumerate(self.choices):
            middle = self.start + (number + 0.5) * self._band
            marks.append(text(middle, bottom + 17, shorten(choice, self._band - 4), "tick", "middle"))
            if number:
                marks.append(
                    line(self.start + number * self._band, top, self.start + number * self._band, bottom, "grid")
                )
        title = text((self.start + self.end) / 2, bottom + 36, name, "title", "middle")
        return tag("g", *marks, title, class_="axis")


def make_across(name: str, models: Sequence[Tuned], start: float, end: float) -> Across:
    """Make the axis of a setting from the spaces of the models that searched it: it shows the union of their values."""
    dimensions = [tuned.dimensions[name] for tuned in models]
    if any(dimension.kind == "choice" for dimension in dimensions):
        listed = [value for dimension in dimensions if dimension.kind == "choice" for value in dimension.values]
        listed += [trial.chosen[name] for tuned in models for trial in tuned.trials]  # of a range beside choices
        return Across(None, tuple(dict.fromkeys(map(format_value, listed))), start, end, len(models))
    if all(dimension.kind == "int" for dimension in dimensions):
        low, high = min(int(own.low) for own in dimensions), max(int(own.high) for own in dimensions)
        if high - low < BANDS:
            return Across(None, tuple(map(str, range(low, high + 1))), start, end, len(models))
    ends = [value for dimension in dimensions for value in (dimension.low, dimension.high)]
    scale = covering(ends, start, end, log=all(dimension.kind == "log" for dimension in dimensions))
    return Across(scale, (), start, end, len(models))
