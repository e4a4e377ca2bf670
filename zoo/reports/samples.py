"""Print the samples of `sample`: one per line, or with a rule between samples of several lines."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from zoo.experiments.runs.samples import Piece
from zoo.output import printable

MARK = "  (in training)"
RULE = "\n---\n"


def print_samples(samples: Sequence[Mapping[str, Any]]) -> None:
    """Print all samples at once."""
    separator = RULE if any("\n" in sample["text"] for sample in samples) else "\n"
    text = separator.join(_shown(sample["text"]) + MARK * sample["in_training"] for sample in samples)
    click.echo(text, color=True)  # else click strips colour codes of the text in a file


def print_pieces(pieces: Iterable[Piece]) -> None:
    """Print samples piece by piece, as they are drawn."""
    text, separator = "", ""
    for piece in pieces:
        click.echo(separator + _shown(piece.text), nl=False, color=True)
        text, separator = text + piece.text, ""
        if piece.ends is not None:
            click.echo(MARK * piece.ends, nl=False)
            text, separator = "", RULE if "\n" in text else "\n"
    click.echo()


def _shown(text: str) -> str:
    """The text unchanged for a file or a program, with escaped control characters for a terminal."""
    return printable(text) if sys.stdout.isatty() else text
