"""Whose mistake it is: an exception from a model's own code, in one line and the places of that code."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import registry
import zoo
from zoo.errors import RunError, ZooError

OTHERS = (
    Path(zoo.__file__).resolve().parent,
    Path(registry.__file__).resolve().parent,
    Path(torch.__file__).resolve().parent,
    Path(sysconfig.get_path("stdlib")).resolve(),
    Path(sysconfig.get_path("purelib")).resolve(),
)
"""Folders whose lines are not a stranger's own."""
OURS = ("interface.py", "build.py", "adapt.py")


class ModelError(RunError):
    """A model raised something; the message says what, and where in the model's own code."""


@contextmanager
def blaming(name: str, what: str) -> Iterator[None]:
    """What a model's own code raises inside becomes a `ModelError`: "Model './mine.py:Mine' failed <what>: ...".

    Raises:
        ModelError: in place of an exception that passed through a line of the model's own. All others pass: they
            are ours, and keep their traceback.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if not (own := places(error)):
            raise
        raise ModelError("\n  ".join([f"Model '{name}' failed {what}: {reason(error)}", *own])) from error


def reason(error: BaseException) -> str:
    """Type and message in one line."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def places(error: BaseException) -> list[str]:
    """The lines of the model's own code that led to the error, the innermost last: file, line, function, text."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename).resolve())]
    return [f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in own]


def _is_own(path: Path) -> bool:
    """Whether the file is a model's: one of the zoo's, or none of a library."""
    if path.is_relative_to(OTHERS[0] / "models"):
        return path.name not in OURS
    return path.is_file() and not any(path.is_relative_to(folder) for folder in OTHERS)
