"""Stand-ins for characters that the encoding of a terminal or file lacks."""

import codecs
from typing import Any

STAND_INS = {
    **dict.fromkeys("─━═–—−", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "×": "x",
    "·": "*",
    "→": "->",
    "…": "...",
    "█": "#",
    "∞": "inf",
}
"""Stand-ins for the signs of tables; any other character becomes a question mark."""


def _stand_in(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first = error.object[error.start]
    if "\udc80" <= first <= "\udcff":  # a byte of a file name that is not UTF-8
        return bytes([ord(first) - 0xDC00]), error.start + 1
    return STAND_INS.get(first, "?"), error.start + 1


codecs.register_error("zoo.plain", _stand_in)


def write_plainly(*streams: Any) -> None:
    """Make streams write a stand-in for a character that their encoding lacks, instead of raising an error."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="zoo.plain")
