"""Whose mistake it is: an exception from a stranger's code, in one line and the places of that code."""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import registry
import zoo
from zoo.errors import RunError, ZooError

ZOO = Path(zoo.__file__).resolve().parent
LIBRARIES = Path(sysconfig.get_path("purelib")).resolve()
OTHERS = (ZOO, Path(registry.__file__).resolve().parent, Path(sysconfig.get_path("stdlib")).resolve(), LIBRARIES)
"""Folders whose lines are not a stranger's own, unless they are of the stranger's package."""
OURS = ("interface.py", "build.py", "adapt.py")


class StrangerError(RunError):
    """A model or corpus raised something; the message says what, and where in its own code."""


@contextmanager
def blame(who: str, what: str, *, module: str) -> Iterator[None]:
    """What a stranger's code raises inside becomes a `StrangerError`: "Model './mine.py:Mine' failed <what>: ...".

    Args:
        who: "Model './mine.py:Mine'".
        module: where its code stands; the lines of that package are its own, and those of files beside no library.

    Raises:
        StrangerError: in place of an exception that passed through a line of its own. All others pass: they are
            ours, and keep their traceback.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if not (own := own_lines(error, module)):
            raise
        raise StrangerError("\n  ".join([f"{who} failed {what}: {describe_error(error)}", *own])) from error


def describe_error(error: BaseException) -> str:
    """Type and message in one line."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def own_lines(error: BaseException, module: str) -> list[str]:
    """The lines of the stranger's own code that led to the error, the innermost last: file, line, function, text."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename).resolve(), module.partition(".")[0])]
    return [f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in own]


def _is_own(path: Path, package: str) -> bool:
    """Whether the file is a stranger's: one of the zoo's models, of the package, or of no library."""
    if path.is_relative_to(ZOO / "models"):
        return path.name not in OURS
    if path.is_relative_to(LIBRARIES):
        return path.relative_to(LIBRARIES).parts[0] in (package, f"{package}.py") and package != "torch"
    return path.is_file() and not any(path.is_relative_to(folder) for folder in OTHERS)
