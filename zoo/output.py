"""What commands write to standard output: documents for programs, and what to do where nobody can read them."""

import json
import os
from contextlib import suppress
from typing import Any

import click


def print_json(value: Any) -> None:
    """One document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


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
