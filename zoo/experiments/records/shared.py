"""Share equal parts of records: the thousands of runs of a study have one corpus, and the same settings but a few.

Each distinct part is validated and held once, which is most of the time and memory of reading many runs.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

Record = TypeVar("Record", bound=BaseModel)

_sets: dict[frozenset[str], set[str]] = {}

MOST = 1024
"""Maximum number of distinct values of a part that are held."""


def share() -> WrapValidator:
    """Return a validator for a field of records that returns the same object for equal documents."""
    known: dict[str, Any] = {}

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        return _find(known, value, handler) if type(value) is dict else handler(value)

    return WrapValidator(validate)


def share_fields(kind: type[BaseModel], *names: str) -> WrapValidator:
    """Return a validator for a field that holds a `kind`: equal documents of its fields `names` become one object."""
    kinds = {name: (TypeAdapter[Any](kind.__annotations__[name]), dict[str, Any]()) for name in names}

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if type(value) is not dict:
            return handler(value)
        try:
            parts = {
                name: _find(known, value[name], adapter.validate_python)
                for name, (adapter, known) in kinds.items()
                if name in value
            }
        except ValidationError:
            return handler(value)  # which names the field in its message
        return share_names(handler({**value, **parts}))

    return WrapValidator(validate)


def share_names(record: Record) -> Record:
    """Make the set of names that pydantic holds beside the values of a frozen record one for all that have the same.

    It takes more memory than the values.
    """
    names = record.__pydantic_fields_set__
    object.__setattr__(record, "__pydantic_fields_set__", _sets.setdefault(frozenset(names), names))
    return record


def _find(known: dict[str, Any], value: Any, validate: Callable[[Any], Any]) -> Any:
    """Return the object of a document that was validated before, or validate it."""
    text = repr(value)
    if text not in known:
        if len(known) >= MOST:
            known.clear()
        known[text] = validate(value)
    return known[text]
