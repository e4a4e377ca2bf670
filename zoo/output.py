"""What commands write to standard output: documents for programs, and what to do where nobody can read them."""

import json
import os
import re
from contextlib import suppress
from typing import Any

import click

from zoo.errors import shorten

LONGEST_MESSAGE = 2000
"""Most characters of an error; the middle of a longer one is left out."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal acts on instead of showing it, but for tabs and line breaks; and halves of characters."""


def print_json(value: Any) -> None:
    """One document."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def printable(text: str) -> str:
    """The text with control characters written as Python writes them: names of records may come from anybody."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def bounded_text(error: object) -> str:
    """An error as text for a terminal: no control characters, of bounded length."""
    return shorten(printable(shorten(error, LONGEST_MESSAGE)), LONGEST_MESSAGE)


def one_line(text: str) -> str:
    """The text for a terminal as one line of bounded length."""
    return bounded_text(text).replace("\n", "\\n")


def can_write(stream: Any) -> bool:
    """Whether a line can be written, by writing an empty one."""
    try:
        print(file=stream, flush=True)
    except OSError:
        return False
    return True


def discard(*streams: Any) -> None:
    """Send what waits to be written nowhere, or the interpreter would try it again when it ends, and complain."""
    for stream in streams:
        with suppress(OSError):  # of a stream without a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
