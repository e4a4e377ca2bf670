"""Standard output of commands: JSON documents, text that is safe for a terminal, and streams that are closed."""

import json
import os
import re
import sys
from contextlib import suppress
from typing import Any

import click

from zoo.errors import shorten

LONGEST_MESSAGE = 2000
"""Maximum characters of an error; a longer one loses its middle."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys instead of showing, except tab and line feed; and lone surrogates."""


def print_json(value: Any) -> None:
    """Print a value as one JSON document."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def printable(text: str) -> str:
    """Escape control characters as Python writes them: names in records may come from anybody."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def bounded_text(error: object) -> str:
    """An error as text for a terminal, without control characters and of bounded length."""
    return shorten(printable(shorten(error, LONGEST_MESSAGE)), LONGEST_MESSAGE)


def one_line(text: str) -> str:
    """Text for a terminal as one line of bounded length."""
    return bounded_text(text).replace("\n", "\\n")


def find_kernel() -> Any:
    """Return the shell of the Jupyter kernel that this process is, which shows displays; None elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if hasattr(shell, "kernel") else None


def notify(line: str) -> None:
    """Print a notice on standard error; in a notebook, which shows that as an alarm, as ordinary output."""
    click.echo(line, err=find_kernel() is None)


def can_write(stream: Any) -> bool:
    """Try to write an empty line; returns whether that worked."""
    try:
        print(file=stream, flush=True)
    except OSError:
        return False
    return True


def discard(*streams: Any) -> None:
    """Discard buffered output, which the interpreter would otherwise fail to write at exit."""
    for stream in streams:
        with suppress(OSError):  # a stream without a file descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
