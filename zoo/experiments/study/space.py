"""Search spaces: the values of settings that a search may choose, parsed from `lr=log(1e-4,1e-1) hidden=choice(64,96)`.

Imports neither torch nor Optuna.
"""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from zoo.calls import Value, parse_value, split_at_commas
from zoo.errors import UsageError, shorten

KINDS = ("log", "uniform", "int", "choice")
_DIMENSION = re.compile(rf"(.+)=((?:{'|'.join(KINDS)})\(.*\))", re.DOTALL)
"""A setting and its values; the label before a setting may have options of its own."""
EDGE = 0.05
"""Share of a range at each end that counts as its edge; of logarithms for `log`."""
DIGITS = 3
"""Significant digits of a chosen number."""
DEFAULT_SPACE = {"lr": "log(0.001,0.1)", "weight_decay": "log(0.01,1)", "warmup": "uniform(0,0.3)"}
"""Searched for every model unless `--search` gives a space."""


@dataclass(frozen=True)
class Dimension:
    """Values of one setting: a range of numbers, or choices.

    Args:
        kind: "log" and "uniform" are ranges of real numbers, "int" of whole numbers, "choice" a list.
        values: lowest and highest value, and for a grid the number of points; or the choices.
    """

    kind: Literal["log", "uniform", "int", "choice"]
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{self.kind}({','.join(_write(value) for value in self.values)})"

    @property
    def low(self) -> float:
        """Lowest value of a range."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """Highest value of a range."""
        return float(self.values[1])

    def has(self, value: object) -> bool:
        """Whether a setting may have this value."""
        if self.kind == "choice":
            return any(
                value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in self.values
            )
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    def round(self, value: Value) -> Value:
        """Round a number to `DIGITS` digits, of its own for "log", of the range for "uniform", within the range."""
        if self.kind not in ("log", "uniform") or self.low == self.high:
            return value
        rounded = float(f"{float(value):.{DIGITS}g}")
        if self.kind == "uniform":
            rounded = round(float(value), DIGITS - 1 - math.floor(math.log10(self.high - self.low)))
        return min(self.high, max(self.low, rounded))

    def place(self, value: Value) -> float:
        """Return where a value of a range lies, from 0 (lowest) to 1; logarithms for "log"."""
        scale = math.log if self.kind == "log" else float
        low, high = scale(self.low), scale(self.high)
        return 0.5 if low == high else (scale(float(value)) - low) / (high - low)

    def is_edge(self, value: Value) -> bool:
        """Whether a value lies at an end of a range; a choice never does, nor does the lower end if it is 0."""
        if self.kind == "choice" or self.low == self.high:
            return False
        return self.place(value) >= 1 - EDGE or (self.low != 0 and self.place(value) <= EDGE)

    def grid(self) -> list[Value]:
        """Return the values of a grid: choices, whole numbers, or as many points of a range as it names.

        Raises:
            UsageError: the range names no number of points.
        """
        if self.kind == "choice":
            return list(self.values)
        if self.kind == "int" and len(self.values) == 2:
            return list(range(int(self.low), int(self.high) + 1))
        if len(self.values) == 2:
            raise UsageError(f"A grid of {self} needs a number of points: {self.kind}({self.low:g},{self.high:g},5).")
        points = int(self.values[2])
        shares = [number / max(1, points - 1) for number in range(points)]
        if self.kind == "log":
            found = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            found = [self.low + (self.high - self.low) * share for share in shares]
        if self.kind == "int":
            return list(dict.fromkeys(round(value) for value in found))
        return [self.round(value) for value in found]


def parse_space(text: str) -> dict[str, str]:
    """Parse `lr=log(1e-4,1e-1) hidden=choice(64,128)` to name -> its dimension as canonical text.

    Raises:
        ValueError: the text is written otherwise; the message shows how to write it.
    """
    found: dict[str, str] = {}
    for part in _split_at_spaces(text):
        match = _DIMENSION.fullmatch(part) or re.fullmatch("([^=]+)=(.*)", part, re.DOTALL)
        if match is None:
            raise ValueError(f"'{shorten(part)}' is not written as NAME=log(LOW,HIGH) or NAME=choice(A,B,...).")
        name, written = match[1], match[2]
        if name in found:
            raise ValueError(f"'{shorten(name)}' is given twice.")
        found[name] = str(parse_dimension(written))
    if not found:
        raise ValueError("it names no setting: write lr=log(1e-4,1e-1) hidden=choice(64,128).")
    return found


def parse_dimension(text: str) -> Dimension:
    """Parse `log(LOW,HIGH)`, `uniform(LOW,HIGH)`, `int(LOW,HIGH)`, each also with a number of points, or `choice(A,B)`.

    Raises:
        ValueError: it is written otherwise, or has impossible bounds.
    """
    match = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", text, re.DOTALL)
    if match is None or match[1] not in KINDS:
        raise ValueError(
            f"'{shorten(text)}' is no range: write log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH) or choice(A,B,...)."
        )
    try:
        values = tuple(parse_value(part) for part in split_at_commas(match[2]))
    except UsageError as error:
        raise ValueError(str(error)) from None
    kind = match[1]
    if kind == "choice":
        if not values:
            raise ValueError("choice() has no values: write choice(A,B,...).")
        if len({(type(value), value) for value in values}) < len(values):
            raise ValueError(f"'{shorten(text)}' has a choice twice.")
        return Dimension("choice", values)
    _check_range(text, kind, values)
    return Dimension(kind, values)  # type: ignore[arg-type]


def _check_range(text: str, kind: str, values: tuple[Value, ...]) -> None:
    whole = [isinstance(value, int) and not isinstance(value, bool) for value in values]
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    if len(values) not in (2, 3) or not all(numbers):
        raise ValueError(f"'{shorten(text)}' needs two numbers, the lowest and the highest, as {kind}(1,10).")
    low, high = float(values[0]), float(values[1])
    if low > high:
        raise ValueError(f"'{shorten(text)}' has its highest value first.")
    if kind == "log" and low <= 0:
        raise ValueError(f"'{shorten(text)}' is logarithmic: its values must be greater than 0.")
    if kind == "int" and not all(whole):
        raise ValueError(f"'{shorten(text)}' is a range of whole numbers: its bounds must be whole.")
    if len(values) == 3 and not (whole[2] and int(values[2]) >= 2):
        raise ValueError(f"'{shorten(text)}': the third number counts the points of a grid, 2 or more.")


def list_grid(space: Mapping[str, Dimension]) -> list[dict[str, Value]]:
    """Return every point of a grid, the last setting varying fastest.

    Raises:
        UsageError: a range names no number of points.
    """
    axes = [dimension.grid() for dimension in space.values()]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*axes)]


def _split_at_spaces(text: str) -> list[str]:
    """Split at white space outside parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character.isspace():
            if not depth:
                parts.append("")
            continue
        parts[-1] += character
    return [part for part in parts if part]


def _write(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
