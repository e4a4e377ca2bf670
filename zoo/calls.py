"""Parse names with options: `mlp`, `wavenet(hidden=128,embedding=24)`, `./mine.py:Mine(width=8)`."""

import ast
import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from registry.files import is_file_reference
from zoo.errors import UsageError, shorten

Value = bool | int | float | str

_CALL = re.compile(r"(?P<name>.*\.py(?::\w+)?\s*|[^()]+)(\((?P<options>.*)\))?", re.DOTALL)
_LARGEST = 10**300
"""Numbers of this size or larger stay text, which a model refuses: they may not fit a float or be printable."""


class Call(BaseModel):
    """A name with options; validation also accepts the text that a user writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    options: dict[str, Value] = {}

    def __str__(self) -> str:
        pairs = (f"{key}={_format_value(value)}" for key, value in self.options.items())
        return f"{self.name}({','.join(pairs)})" if self.options else self.name

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return dict(parse_call(value)) if isinstance(value, str) else value


def parse_call(text: str) -> Call:
    """Parse `name` or `name(key=value,...)`.

    Raises:
        UsageError: the text is written otherwise, gives an option twice, or is not UTF-8.
    """
    check_utf_8(text)
    match = _CALL.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"'{shorten(text)}' is not written as name or name(key=value,...).")
    options: dict[str, Value] = {}
    for part in split_at_commas(match["options"] or ""):
        key, value = parse_assignment(part)
        if key in options:
            raise UsageError(f"'{shorten(text)}' gives '{shorten(key)}' twice.")
        options[key] = value
    return Call(name=match["name"].strip(), options=options)


def check_utf_8(text: str) -> None:
    """Check that text can be recorded as UTF-8, which the name of a file need not be.

    Raises:
        UsageError: it cannot.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(f"{text!a} is not UTF-8, which records are written in: rename the file.")


def short_names(texts: Sequence[str]) -> list[str]:
    """Names for a table: `./mine.py:Mine(width=8)` becomes `Mine(width=8)` unless two would be called that."""
    short = [_drop_path(text) for text in texts]
    return [name if short.count(name) == 1 else text for name, text in zip(short, texts, strict=True)]


def _drop_path(text: str) -> str:
    match = _CALL.fullmatch(text)
    if match is None or not is_file_reference(match["name"].strip()) or ":" not in match["name"]:
        return text
    return match["name"].rpartition(":")[2] + text.removeprefix(match["name"])


def parse_assignment(text: str) -> tuple[str, Value]:
    """Parse `key=value`; true, false, numbers and quoted text become Python values, anything else stays text.

    Raises:
        UsageError: there is no `=`, or no name before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip().isidentifier():
        raise UsageError(f"'{shorten(text.strip())}' is not written as key=value.")
    return key.strip(), parse_value(value.strip())


def split_at_commas(text: str) -> list[str]:
    """Split at commas outside parentheses, without empty parts.

    Raises:
        UsageError: a parenthesis is unbalanced.
    """
    commas, depth = list[int](), 0
    for sign in re.finditer("[(),]", text):
        depth += {"(": 1, ")": -1, ",": 0}[sign[0]]
        if depth < 0:
            break
        if sign[0] == "," and not depth:
            commas.append(sign.start())
    if depth:
        raise UsageError(f"'{shorten(text)}' has unbalanced parentheses: every '(' needs a ')'.")
    parts = [text[before + 1 : after].strip() for before, after in pairwise([-1, *commas, len(text)])]
    return [part for part in parts if part]


def parse_value(text: str) -> Value:
    """Parse true, false, a number or quoted text to a Python value; anything else stays text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an invalid escape sequence in quotes
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    if isinstance(value, str):
        return value
    return value if isinstance(value, int | float) and -_LARGEST < value < _LARGEST else text


def _format_value(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
