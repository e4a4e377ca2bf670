"""Compact letter display: models that share a letter are not told apart (Piepho 2004, insert and absorb)."""

import string
from collections.abc import Iterable, Sequence

MOST_LETTERS = 26
"""Most letters of a model: nobody reads more."""
MOST_COLUMNS = 200


def compact_letters(ranked: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Assign letters to every model; `ranked` has the best first, which gets an `a`.

    Two models share a letter exactly when their pair is not in `different`. Where a model would have more than
    `MOST_LETTERS`, or there are more than `MOST_COLUMNS`, no model has any. A column, the models with one letter, is a
    number with a bit for each.
    """
    bits = {label: 1 << place for place, label in enumerate(ranked)}
    columns = [(1 << len(ranked)) - 1]
    for a, b in different:
        pair = bits[a] | bits[b]
        torn = [column for column in columns if column & pair == pair]
        whole = [column for column in columns if column & pair != pair]
        halves = dict.fromkeys(column & ~bits[label] for column in torn for label in (a, b))
        columns = whole + [half for half in halves if not _is_within(half, whole) and not _is_within(half, halves)]
        if len(columns) > MOST_COLUMNS:
            return dict.fromkeys(ranked, "")
    columns.sort(key=lambda column: [place for place in range(len(ranked)) if column >> place & 1])
    letters = {
        label: "".join(_letter(place) for place, column in enumerate(columns) if column & bits[label])
        for label in ranked
    }
    return letters if max(map(len, letters.values())) <= MOST_LETTERS else dict.fromkeys(ranked, "")


def _is_within(column: int, others: Iterable[int]) -> bool:
    """Whether another column has all models of this one."""
    return any(column & other == column and column != other for other in others)


def _letter(place: int) -> str:
    """The letter with this index: a to z, A to Z, then from Greek alpha on."""
    letters = string.ascii_letters
    return letters[place] if place < len(letters) else chr(ord("α") + place - len(letters))
