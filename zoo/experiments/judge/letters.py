"""Compact letter display: models that share a letter are not told apart (Piepho 2004, insert and absorb)."""

import string
from collections.abc import Iterable, Sequence


def compact_letters(ranked: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Assign letters to every model; `ranked` has the best first, which gets an `a`.

    Two models share a letter exactly when their pair is not in `different`.
    """
    rank = {label: place for place, label in enumerate(ranked)}
    columns = [frozenset(ranked)]
    for pair in different:
        torn = [column for column in columns if column.issuperset(pair)]
        whole = [column for column in columns if column not in torn]
        columns = _absorb([*whole, *(column - {label} for column in torn for label in pair)])
    columns.sort(key=lambda column: sorted(rank[label] for label in column))
    return {label: "".join(_letter(place) for place, c in enumerate(columns) if label in c) for label in ranked}


def _absorb(columns: list[frozenset[str]]) -> list[frozenset[str]]:
    """Drop columns contained in another one."""
    distinct = list(dict.fromkeys(columns))
    return [column for column in distinct if not any(column < other for other in distinct)]


def _letter(place: int) -> str:
    """The letter with this index: a to z, A to Z, then from Greek alpha on."""
    letters = string.ascii_letters
    return letters[place] if place < len(letters) else chr(ord("α") + place - len(letters))
