"""Format passages and samples for page and document."""

from collections.abc import Mapping
from difflib import SequenceMatcher

from markupsafe import Markup, escape

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.contrasts import Contrast, Passage
from zoo.reports.figures.svg import clean

END = "⊣"
SHOWN = {"": END, "\n": "⏎", "\t": "⇥", "\r": "␍"}
"""Invisible character -> the sign that is shown for it."""
TINTS = (0.1, 0.5, 1.5)
"""Least differences of two models on a character, in nats, for the three strengths of its tint."""
ALIKE = 0.8
"""Least ratio of matching characters of near copies (`difflib`)."""


def plain_text(passage: Passage) -> str:
    """The passage on one line, line breaks as signs, dots where it is cut."""
    text = "".join(SHOWN.get(part, part) for part in passage.text)
    return ("" if passage.begins else "…") + text + ("" if passage.ends else "…")


def tinted(passage: Passage) -> Markup:
    """The passage, each character tinted for the model that predicts it better, with both losses as tooltip."""
    parts = [
        Markup('<span{} title="{:.2f} | {:.2f}">{}</span>').format(
            Markup(f' class="{kind}"') if (kind := _tint(a - b)) else "", a, b, _seen(text, breaks=True)
        )
        for text, a, b in zip(passage.text, passage.a, passage.b, strict=True)
    ]
    return Markup("").join(["" if passage.begins else "…", *parts, "" if passage.ends else "…"])


def columns(passage: Passage) -> Markup:
    """One column per character: the character, and its losses under the two models."""
    return Markup("").join(
        Markup("<span{}><b>{}</b>{:.2f}<br>{:.2f}</span>").format(
            Markup(f' class="{kind}"') if (kind := _tint(a - b)) else "", _seen(text), a, b
        )
        for text, a, b in zip(passage.text, passage.a, passage.b, strict=True)
    )


def describe_passage(contrast: Contrast, passage: Passage) -> str:
    """Say which model is better on a passage, and by how much."""
    better, apart = (contrast.a if passage.difference < 0 else contrast.b), abs(passage.difference)
    return f"{better} better by {apart:.2f} nats"


def find_near_copies(comparison: Comparison) -> Mapping[tuple[str, int], str]:
    """Label and number of a sample -> the best-ranked model whose sample of that number is a near copy.

    Samples of one number are drawn with the same random numbers.
    """
    found: dict[tuple[str, int], str] = {}
    for place, model in enumerate(comparison.models):
        for number, sample in enumerate(model.samples):
            for other in comparison.models[:place]:
                if number < len(other.samples) and _alike(other.samples[number], sample):
                    found[model.label, number] = other.label
                    break
    return found


def _alike(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE


def _seen(text: str, *, breaks: bool = False) -> Markup:
    """A visible character; with `breaks`, a line break follows its sign, and a space stays a space."""
    if text == "\n" and breaks:
        return Markup("⏎\n")
    return escape(SHOWN.get(text, clean(text)) if breaks or text != " " else "␣")


def _tint(difference: float) -> str:
    """CSS class of a character: a1 to a3 if the first model is better, b1 to b3 if the second is, else empty."""
    strength = sum(abs(difference) >= least for least in TINTS)
    return f"{'a' if difference < 0 else 'b'}{strength}" if strength else ""
