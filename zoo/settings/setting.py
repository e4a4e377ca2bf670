"""Settings of a study, read from its pydantic fields."""

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
    """A pydantic field, and its place in a study file."""

    key: str
    """Name of the field."""
    section: str
    """Table of a study file that has the field; empty for the top level."""
    field: FieldInfo

    @property
    def flag(self) -> Flag | None:
        """Flag of the setting, if it has one."""
        return next((item for item in _unwrap(self.field)[1] if isinstance(item, Flag)), None)

    @property
    def internal(self) -> bool:
        """Whether the field is no setting."""
        return any(isinstance(item, Internal) for item in _unwrap(self.field)[1])

    @property
    def name(self) -> str:
        """Name in Python, for `--set` and, with dashes, of the flag."""
        return (self.flag and self.flag.name) or self.key

    @property
    def help(self) -> str:
        """Description in one sentence."""
        return self.field.description or ""

    @property
    def type(self) -> Any:
        """Type without None and bounds."""
        return _unwrap(self.field)[0]

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed values of a `Literal`; empty for other types."""
        return typing.get_args(self.type) if typing.get_origin(self.type) is Literal else ()

    @property
    def value(self) -> Any:
        """Default of the field."""
        return self.field.get_default(call_default_factory=True, validated_data={})

    @property
    def default(self) -> str:
        """Default in words; empty if there is none, or it is False or ()."""
        if self.flag and self.flag.default is not None:
            return self.flag.default
        return "" if self.value is None or self.value is False or self.value == () else str(self.value)

    def bound(self, name: str) -> float | None:
        """Bound of the value by its `name`, ge, gt, le or lt; None if there is none."""
        return next((getattr(item, name) for item in _unwrap(self.field)[1] if hasattr(item, name)), None)


def list_settings(model: type[BaseModel]) -> list[Setting]:
    """Settings of a study in the order of `--help`: the fields of its tables, and its own fields that have a flag."""
    found: list[Setting] = []
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields = (Setting(inner, key, own) for inner, own in field.annotation.model_fields.items())
            found += [setting for setting in fields if not setting.internal]
        elif (setting := Setting(key, "", field)).flag:
            found.append(setting)
    return _sort(found)


def index_by_name(settings: Iterable[Setting]) -> dict[str, Setting]:
    """Name -> the first setting of that name."""
    named: dict[str, Setting] = {}
    for setting in settings:
        named.setdefault(setting.name, setting)
    return named


def _unwrap(field: FieldInfo) -> tuple[Any, list[Any]]:
    """Type of a field without None and annotations, and its annotations: `Positive | None` is int, with ge=1."""
    kind, annotations = field.annotation, list(field.metadata)
    if typing.get_origin(kind) in (UnionType, typing.Union):
        kinds = [part for part in typing.get_args(kind) if part is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else kind
    if typing.get_origin(kind) is Annotated:
        kind, *items = typing.get_args(kind)
        for item in items:
            annotations += item.metadata if isinstance(item, FieldInfo) else [item]
    return kind, annotations


def _sort(settings: Sequence[Setting]) -> list[Setting]:
    ordered = [setting for setting in settings if not (setting.flag and setting.flag.after)]
    for setting in settings:
        if setting.flag and setting.flag.after:
            names = [other.name for other in ordered]
            ordered.insert(names.index(setting.flag.after) + 1, setting)
    return ordered
