"""The project's own errors: the command line shows each as one line and an exit code."""

from typing import Any


class ZooError(Exception):
    """Something that the user can mend; the message is one line that says what was asked and what to do."""

    exit_code = 1


class UsageError(ZooError):
    """What was asked for does not make sense: an unknown option, a value out of range."""

    exit_code = 2


class DataError(ZooError):
    """The text that was given cannot be used."""


class RunError(ZooError):
    """A run directory that is none, or whose files do not fit each other."""


class StrangerError(RunError):
    """An exception of a model or corpus; the message says what it is, and where in its own code."""


MOST_FAULTS = 10
"""Of more faults than these so many are told, and how many more there are."""


def describe_faults(error: Any) -> str:
    """All faults of a pydantic ValidationError in one line: what was given, what is wrong."""
    faults = error.errors(include_url=False)
    more = [f"and {len(faults) - MOST_FAULTS:,} more"] if len(faults) > MOST_FAULTS else []
    return "; ".join([*map(_fault, faults[:MOST_FAULTS]), *more])


def _fault(fault: Any) -> str:
    where = shorten(".".join(str(part) for part in fault["loc"]))
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown option '{where}'"
    if fault["type"].startswith("missing"):  # of a value, or of an argument of a function
        return f"'{where}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return message if not where or isinstance(fault["input"], dict) else f"{where}={shorten(fault['input'])}: {message}"


def shorten(value: object, most: int = 80) -> str:
    """A value as text of at most `most` characters, the middle left out of a longer one."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists nested thousands deep
        return f"{type(value).__name__} too large to show"
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-(most // 4) :]}"
