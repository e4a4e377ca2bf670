"""Scales that map numbers to coordinates, with round ticks, and axes."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup

from zoo.reports.figures.svg import line, tag, text

UNITS = {"nats": 1.0, "bits": math.log(2)}
"""Unit -> divisor of a loss in nats."""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def inside(self, value: float) -> bool:
        """Whether the value lies within the scale."""
        return self.low <= value <= self.high

    def ticks(self, most: int, unit: float = 1.0) -> list[float]:
        """At most `most` round numbers within the scale, in the unit."""
        low, high = self.low / unit, self.high / unit
        return _log_ticks(low, high, most) if self.log else _even_ticks(low, high, most)


@dataclass(frozen=True)
class Bent(Scale):
    """A scale of two slopes: `low` to `knee` takes a share LOWER of the length, `knee` to `high` the rest."""

    knee: float = 0.0

    def __call__(self, value: float) -> float:
        return self._parts[value > self.knee](value)

    def ticks(self, most: int, unit: float = 1.0) -> list[float]:
        """Round numbers of both parts; fewer in the upper part, and none close to those of the lower part."""
        below, above = (part.ticks(count, unit) for part, count in zip(self._parts, (most, 4), strict=True))
        edge = self(below[-1] * unit) if below else self.start
        return below + [value for value in above if abs(self(value * unit) - edge) >= APART]

    @property
    def _parts(self) -> tuple[Scale, Scale]:
        middle = self.start + LOWER * (self.end - self.start)
        return Scale(self.low, self.knee, self.start, middle), Scale(self.knee, self.high, middle, self.end)


LOWER = 0.72
"""Share of a bent scale's length that the lower part has."""
APART = 15.0
"""Least distance between ticks of the two parts."""
STEEPER = 2.2
"""A scale is bent if the main values would fill less than 1 / STEEPER of a plain one."""


def bent(values: Iterable[float], further: Iterable[float], start: float, end: float) -> Scale:
    """The scale of all values, bent above `values` if `further` would squeeze them too much."""
    plain = covering(values, start, end)
    highest = max(further, default=plain.high)
    if highest <= plain.high:
        return plain
    whole = Scale(plain.low, highest + 0.04 * (highest - plain.low), start, end)
    if whole.high - whole.low < STEEPER * (plain.high - plain.low):
        return whole
    return Bent(plain.low, whole.high, start, end, knee=plain.high)


def covering(values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.04) -> Scale:
    """The scale of all values, with a margin; equal values lie in its middle."""
    known = list(values)
    low, high = (math.log(v) if log else v for v in (min(known), max(known)))
    least = math.log(3) if log else 1e-3 * max(abs(low), abs(high), 1e-9)
    air = max((high - low) * margin, (least - (high - low)) / 2)
    low, high = low - air, high + air
    return Scale(*((math.exp(low), math.exp(high)) if log else (low, high)), start, end, log)


def horizontal_axis(
    scale: Scale, top: float, bottom: float, title: str, written: Callable[[float], str], most: int = 8
) -> Markup:
    """Draw grid lines, their numbers below the plot, and a title."""
    marks = [_upright(scale(value), top, bottom, written(value)) for value in scale.ticks(most)]
    return tag("g", *marks, _title(scale, bottom, title), class_="axis")


def loss_axis(
    scale: Scale, near: float, far: float, title: str, most: int, *, upright: bool, units: bool = True
) -> Markup:
    """Draw the axis of a loss in nats and in bits, of which the page shows one; vertical if `upright`.

    Without `units` it is the axis of any other score.
    """
    groups = []
    for name, unit in UNITS.items() if units else [("nats", 1.0)]:
        values = scale.ticks(most, unit)
        written = _write_all(values)
        marks = [
            _level(scale(value * unit), near, far, number)
            if upright
            else _upright(scale(value * unit), near, far, number)
            for value, number in zip(values, written, strict=True)
        ]
        words = f"{title}, {name} per token" if units else title
        named = text(near, scale.end - 22, words, "title") if upright else _title(scale, far, words)
        hidden = None if name == "nats" else "none"
        groups.append(tag("g", *marks, named, class_=f"axis {name}", display=hidden))
    if isinstance(scale, Bent) and upright:
        groups.append(line(near, scale(scale.knee), far, scale(scale.knee), "bend"))
    return Markup().join(groups)


def share_axis(scale: Scale, near: float, far: float, title: str) -> Markup:
    """Draw the upright axis of a share, in percent."""
    marks = [_level(scale(share), near, far, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return tag("g", *marks, text(near, scale.end - 22, title, "title"), class_="axis")


def _upright(x: float, top: float, bottom: float, words: str) -> Markup:
    return line(x, top, x, bottom, "grid") + text(x, bottom + 17, words, "tick", "middle")


def _level(y: float, left: float, right: float, words: str) -> Markup:
    return line(left, y, right, y, "grid") + text(left - 7, y + 4, words, "tick", "end")


def _title(scale: Scale, bottom: float, words: str) -> Markup:
    return text((scale.start + scale.end) / 2, bottom + 36, words, "title", "middle")


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    power = math.floor(math.log10((high - low) / most))
    steps = (step * 10.0**exponent for exponent in (power, power + 1, power + 2) for step in (1, 2, 5))
    step = next(step for step in steps if math.floor(high / step) - math.ceil(low / step) < most)
    return [round(number * step, 12) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    if high < 10 * low:
        return _even_ticks(low, high, most)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fewest = [value for value in (10.0**power for power in powers) if low <= value <= high]
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        values = [digit * 10.0**power for power in powers for digit in digits]
        shown = [value for value in values if low <= value <= high]
        if len(shown) <= most:
            return shown
    return fewest[:: math.ceil(len(fewest) / most)]


def _write_all(values: list[float]) -> list[str]:
    """Write losses of an axis with as many decimals as they need; with three digits where any reaches 1e5."""
    if max(values, default=0.0) >= 1e5:
        return [f"{value:.3g}" for value in values]
    digits = _digits(values)
    return [f"{value:.{digits}f}" for value in values]


def _digits(values: list[float]) -> int:
    """Number of decimals that the numbers need, at most 6."""
    return next((n for n in range(6) if all(abs(round(value, n) - value) < 1e-9 for value in values)), 6)
