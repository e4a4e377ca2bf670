"""Write SVG: escaped elements without style attributes, and labels that fit and do not overlap."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

UNSHOWN = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")
"""Characters that XML cannot contain, and those that change the direction of surrounding text."""

NARROW, WIDE = set(" .,:;'|!()[]{}-/\\fijltrI1\u2009"), set("mwMWGOQ@%—…\ufffd")


def clean(text: str) -> str:
    """Replace characters that a document cannot show."""
    return UNSHOWN.sub("\ufffd", text)


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Write an element; text is escaped, `class_` becomes class, `text_anchor` text-anchor; None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(child if isinstance(child, Markup) else escape(clean(str(child))) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if children else f"<{name}{written}/>")


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Draw a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def circle(x: float, y: float, radius: float, class_: str) -> Markup:
    """Draw a circle."""
    return tag("circle", cx=x, cy=y, r=radius, class_=class_)


def text(x: float, y: float, words: object, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Write text on the base line `y`."""
    return tag("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def path(points: Iterable[tuple[float, float]], class_: str, *, closed: bool = False) -> Markup:
    """Draw a line through points."""
    steps = " L".join(f"{_value(x)} {_value(y)}" for x, y in points)
    return tag("path", d=f"M{steps}{'Z' if closed else ''}", class_=class_)


def diamond(x: float, y: float, radius: float, class_: str) -> Markup:
    """Draw a square standing on a corner."""
    return path([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], class_, closed=True)


def drawing(width: float, height: float, *children: object, label: str) -> Markup:
    """Write the root element; `label` describes the drawing for screen readers."""
    size = {"width": width, "height": height, "viewBox": f"0 0 {_value(width)} {_value(height)}"}
    return tag("svg", *children, xmlns="http://www.w3.org/2000/svg", **size, class_="figure", role="img",
               aria_label=label)  # fmt: skip


def text_width(words: str, size: float = 12.0) -> float:
    """Estimate the width of the words, too wide rather than too narrow."""
    return size * sum(_em(character) for character in words)


def shorten(words: str, width: float, size: float = 12.0) -> str:
    """Shorten the words to a width, with an ellipsis."""
    words = " ".join(clean(words).split())
    if text_width(words, size) <= width:
        return words
    while words and text_width(f"{words}…", size) > width:
        words = words[:-1]
    return f"{words.rstrip()}…"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as needed to lie within the bounds, `gap` apart if there is room."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    groups: list[list[int]] = []

    def start(group: list[int]) -> float:
        height = gap * (len(group) - 1)
        middle = sum(wanted[index] for index in group) / len(group)
        return min(max(middle - height / 2, low), high - height)

    for index in order:
        groups.append([index])
        while len(groups) > 1 and start(groups[-2]) + gap * len(groups[-2]) > start(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    places = {index: start(group) + gap * place for group in groups for place, index in enumerate(group)}
    return [places[index] for index in range(len(wanted))]


def _em(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    return 0.38 if character in NARROW else 0.95 if character in WIDE else 0.63


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{round(value, 1) + 0.0:g}"
    return clean(str(value))
