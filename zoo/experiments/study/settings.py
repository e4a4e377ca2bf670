"""The settings of a study by name, and the table that holds each."""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from zoo.calls import check_utf_8
from zoo.config import Call, DataConfig
from zoo.errors import UsageError, describe_faults
from zoo.experiments.study.config import StudyConfig
from zoo.settings.setting import Setting, index_by_name, list_settings

SETTINGS = tuple(list_settings(StudyConfig))
NAMES = tuple(index_by_name(SETTINGS))
TOKENS = "tokens"
"""Older name of two settings: text means `tokenizer`, a number `train_tokens`; a list gives both."""


def check_names(given: Iterable[str], known: Sequence[str] = NAMES) -> None:
    """Check that all given names are known settings.

    Raises:
        UsageError: a name is unknown; the message lists the known ones.
    """
    for name in given:
        if name not in (*known, TOKENS):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise UsageError(f"Unknown setting '{name}'. Settings: {', '.join(known)}.{hint}")


def nest_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings by name into the tables of a study; drop those that are None."""
    given = _split_tokens(given)
    nested: dict[str, Any] = {setting.section: {} for setting in SETTINGS if setting.section}
    for setting in SETTINGS:
        value = _find_value(setting, given.get(setting.name))
        if value is not None:
            table = nested[setting.section] if setting.section else nested
            table[setting.key] = value
    return nested


def nest_corpus(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validated settings of the corpus only.

    Raises:
        UsageError: values are faulty; all faults in one line.
    """
    nested = nest_settings(given)
    data: dict[str, Any] = nested["data"] | nested["training"]  # tokens as a budget are refused
    try:
        DataConfig.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{describe_faults(error)}.") from None
    return data


def _split_tokens(given: Mapping[str, Any]) -> dict[str, Any]:
    values = given.get(TOKENS)
    values = values if isinstance(values, list | tuple) else [values]
    split = {"tokenizer" if isinstance(value, str) else "train_tokens": value for value in values if value is not None}
    return split | {name: value for name, value in given.items() if name != TOKENS and value is not None}


def _find_value(setting: Setting, value: Any) -> Any:
    if setting.name == "data" and isinstance(value, str) and os.path.exists(value):
        check_utf_8(value)
        return Call(name=value)  # a file may have parentheses in its name
    return value
