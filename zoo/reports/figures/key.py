"""Draw the key of a figure: models by their colours, and the meaning of its signs, in lines above the plot."""

from collections.abc import Sequence

from markupsafe import Markup

from zoo.reports.figures.svg import circle, diamond, line, path, shorten, tag, text, text_width

SIZE = 13.0
LINE = 20.0
"""Height of a line of the key."""
MARK, AIR = 13.0, 16.0
"""From a mark to its words, and from words to the next mark."""


def draw_sign(sign: str, x: float, y: float) -> Markup:
    """Draw the sign of a trial.

    Args:
        sign: "finished", "pruned", "written" (the settings as written), "best" (a ring around another sign), "beyond"
            (above the axis) or "diverged".
    """
    if sign == "written":
        return diamond(x, y, 5.0, "written")
    if sign == "best":
        return circle(x, y, 8.0, "best")
    if sign == "beyond":
        return path([(x - 4, y + 3), (x, y - 4), (x + 4, y + 3)], "end", closed=True)
    if sign == "diverged":
        return line(x - 3, y - 3, x + 3, y + 3, "end") + line(x - 3, y + 3, x + 3, y - 3, "end")
    return circle(x, y, 4.0, "pruned" if sign == "pruned" else "trial")


def draw_key(models: Sequence[tuple[str, str]], signs: Sequence[tuple[str, str]], width: float) -> tuple[Markup, float]:
    """Draw the key; returns it, and its height.

    Args:
        models: (label, CSS class of its colour).
        signs: (sign, its meaning).
    """
    entries = [(draw_sign, "finished", label, "label", colour) for label, colour in models]
    entries += [(draw_sign, sign, words, "note", "signs") for sign, words in signs]
    marks, x, y, kind = [], 9.0, LINE / 2, "label"
    for draw, sign, words, class_, colour in entries:
        words = shorten(words, width - MARK - 18, SIZE)
        reach = MARK + text_width(words, SIZE)
        if x > 9.0 and (x + reach > width or class_ != kind):  # signs begin a line of their own
            x, y = 9.0, y + LINE
        kind = class_
        title = tag("title", words)
        marks.append(tag("g", title, draw(sign, x, y), text(x + MARK, y + 4, words, class_), class_=colour))
        x += reach + AIR
    return Markup().join(marks), y + LINE / 2
