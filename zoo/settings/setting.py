"""The settings of a study, read off its pydantic fields."""

import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zoo.settings.flag import Flag, Internal


@dataclass(frozen=True)
class Setting:
    """A field, and where it stands."""

    key: str
    """The field's name."""
    section: str
    """The table of a study file that it stands in; empty for the file itself."""
    field: FieldInfo

    @property
    def flag(self) -> Flag | None:
        """Its flag, if it has one."""
        return next((item for item in _take_apart(self.field)[1] if isinstance(item, Flag)), None)

    @property
    def internal(self) -> bool:
        """Whether it is no setting at all."""
        return any(isinstance(item, Internal) for item in _take_apart(self.field)[1])

    @property
    def name(self) -> str:
        """What it is called in Python, by `--set`, and, with dashes, as a flag."""
        return (self.flag and self.flag.name) or self.key

    @property
    def help(self) -> str:
        """What it is, in a sentence."""
        return self.field.description or ""

    @property
    def type(self) -> Any:
        """Its type, without None and bounds."""
        return _take_apart(self.field)[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it may have, if they are few."""
        return typing.get_args(self.type) if typing.get_origin(self.type) is Literal else ()

    @property
    def value(self) -> Any:
        """The field's default."""
        return self.field.get_default(call_default_factory=True, validated_data={})

    @property
    def default(self) -> str:
        """What holds where nothing is said, in words; empty where that is nothing."""
        if self.flag and self.flag.default is not None:
            return self.flag.default
        return "" if self.value is None or self.value is False or self.value == () else str(self.value)

    def bound(self, name: str) -> float | None:
        """Its bound `name`, one of ge, gt, le and lt."""
        return next((getattr(item, name) for item in _take_apart(self.field)[1] if hasattr(item, name)), None)


def list_settings(model: type[BaseModel]) -> list[Setting]:
    """The settings of a study, in the order of `--help`: all fields of its tables, and its own that have a flag."""
    found: list[Setting] = []
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields = (Setting(inner, key, own) for inner, own in field.annotation.model_fields.items())
            found += [setting for setting in fields if not setting.internal]
        elif (setting := Setting(key, "", field)).flag:
            found.append(setting)
    return _order(found)


def index_by_name(settings: Iterable[Setting]) -> dict[str, Setting]:
    """Name -> setting; of two with the same name, the first."""
    named: dict[str, Setting] = {}
    for setting in settings:
        named.setdefault(setting.name, setting)
    return named


def _take_apart(field: FieldInfo) -> tuple[Any, list[Any]]:
    """A field's type without None and annotations, and what these say: `Positive | None` is an int with ge=1."""
    kind, said = field.annotation, list(field.metadata)
    if typing.get_origin(kind) in (UnionType, typing.Union):
        kinds = [part for part in typing.get_args(kind) if part is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else kind
    if typing.get_origin(kind) is Annotated:
        kind, *items = typing.get_args(kind)
        for item in items:
            said += item.metadata if isinstance(item, FieldInfo) else [item]
    return kind, said


def _order(settings: Sequence[Setting]) -> list[Setting]:
    ordered = [setting for setting in settings if not (setting.flag and setting.flag.after)]
    for setting in settings:
        if setting.flag and setting.flag.after:
            names = [other.name for other in ordered]
            ordered.insert(names.index(setting.flag.after) + 1, setting)
    return ordered
