"""Write pieces of Markdown: escaped text, tables, and blocks of code."""

import re
from collections.abc import Iterable, Mapping, Sequence

from zoo.reports.figures.svg import clean

SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$!]|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])|^>)")
"""Characters that Markdown or HTML would interpret: `<` only where a tag may begin, `&` only where an entity may, which
keeps `p < 0.05` readable in the source."""


def escape(words: str) -> str:
    """Escape text for Markdown and HTML, on one line."""
    words = SPECIAL.sub(r"\\\1", " ".join(clean(words).split()))
    return re.sub(r"^(\d*)([-+.)])(?=\s)", r"\1\\\2", words)


def write_table(columns: Mapping[str, Sequence[str]], left: Iterable[str]) -> str:
    """Write a table without empty columns."""
    kept = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [
        list(kept),
        [":--" if name in left else "--:" for name in kept],
        *(list(row) for row in zip(*kept.values(), strict=True)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def fence(words: str, language: str = "") -> str:
    """Write a code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{words}\n{marks}"
