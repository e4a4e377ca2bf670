"""Annotations of a setting's pydantic field that declare its flag."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Internal:
    """Marks a field that is no setting, because the zoo sets it itself."""


@dataclass(frozen=True)
class Flag:
    """Gives a setting a flag: `lr: Annotated[float | None, Flag()] = Field(None, gt=0, description="...")`.

    A setting without one is given by `--set`.
    """

    name: str | None = None
    """Name of the setting on the command line and in Python; None: the field's."""
    parse: Callable[[str], Any] | None = None
    """Parses the flag's text, or raises a ValueError; None: a parser for the field's type."""
    metavar: str | None = None
    """Placeholder for the value in `--help`."""
    default: str | None = None
    """Default that `--help` shows in brackets; None: the field's default, "": nothing."""
    multiple: bool = False
    """Whether the flag may be given several times."""
    after: str | None = None
    """Name of the setting after which `--help` lists this one; None: in the order of the fields."""
