"""What a setting's pydantic field says of its flag."""

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
    """Of the setting on the command line and in Python; None: the field's."""
    parse: Callable[[str], Any] | None = None
    """Makes a value of the text behind the flag, or raises a ValueError; None: what the field's type has."""
    metavar: str | None = None
    """What `--help` writes for the value."""
    default: str | None = None
    """What `--help` writes in brackets; None: the field's default, "": nothing."""
    multiple: bool = False
    """Whether it may be given several times."""
    after: str | None = None
    """The setting behind which `--help` lists it; None: in the order of the fields."""
