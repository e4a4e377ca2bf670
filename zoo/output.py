"""What commands write to standard output, for programs."""

import json
from typing import Any

import click


def print_json(value: Any) -> None:
    """One document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
