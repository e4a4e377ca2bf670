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


def describe_faults(error: Any) -> str:
    """All faults of a pydantic ValidationError in one line: what was given, what is wrong."""
    return "; ".join(_fault(fault) for fault in error.errors())


def _fault(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"unknown option '{where}'"
    if fault["type"].startswith("missing"):  # of a value, or of an argument of a function
        return f"'{where}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return message if not where or isinstance(fault["input"], dict) else f"{where}={fault['input']}: {message}"
