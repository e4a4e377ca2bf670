"""The project's own errors: the command line shows each as one line and an exit code."""

from typing import Any


class ZooError(Exception):
    """An error that the user can mend; the message is one line that says what was asked and what to do."""

    exit_code = 1


class UsageError(ZooError):
    """An invalid request, such as an unknown option or a value out of range."""

    exit_code = 2


class DataError(ZooError):
    """A text that cannot be used."""


class RunError(ZooError):
    """A run, or a file of one, that is missing, damaged, or cannot be used or written."""


class StrangerError(RunError):
    """An exception in the code of a model or corpus; the message has the exception and its own lines."""


MOST_FAULTS = 10
"""Maximum number of faults in one message, which counts the others."""


def describe_faults(error: Any) -> str:
    """Describe the faults of a pydantic ValidationError in one line: what was given, what is wrong."""
    faults = error.errors(include_url=False)
    more = [f"and {len(faults) - MOST_FAULTS:,} more"] if len(faults) > MOST_FAULTS else []
    return "; ".join([*map(_describe_fault, faults[:MOST_FAULTS]), *more])


def _describe_fault(fault: Any) -> str:
    where = shorten(".".join(str(part) for part in fault["loc"]))
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown option '{where}'"
    if fault["type"].startswith("missing"):  # a value, or an argument of a function
        return f"'{where}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return message if not where or isinstance(fault["input"], dict) else f"{where}={shorten(fault['input'])}: {message}"


def shorten(value: object, most: int = 80) -> str:
    """A value as text of at most `most` characters; a longer text loses its middle."""
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or lists nested thousands deep
        return f"{type(value).__name__} too large to show"
    return text if len(text) <= most else f"{text[: most * 2 // 3]}…{text[-(most // 4) :]}"
