"""Attribute an exception to the model's own lines or to ours."""

import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path

import registry
import zoo
from zoo.errors import StrangerError, ZooError

ZOO = Path(zoo.__file__).resolve().parent
LIBRARIES = Path(sysconfig.get_path("purelib")).resolve()
OTHERS = (ZOO, Path(registry.__file__).resolve().parent, Path(sysconfig.get_path("stdlib")).resolve(), LIBRARIES)
"""Folders whose code is not a stranger's own, except the stranger's package."""
OURS = ("interface.py", "auxiliary.py", "build.py", "adapt.py")
"""Files of zoo/models that are no model."""


@contextmanager
def blame(who: str, what: str, *, module: str) -> Iterator[None]:
    """Turn an exception of a stranger's code into a `StrangerError`: "Model './mine.py:Mine' failed <what>: ...".

    Args:
        who: the model or corpus, "Model './mine.py:Mine'".
        what: the failed task, "on tokens of shape (2, 5)".
        module: name of its module. Its own lines are those of the module's package and of files outside libraries.

    Raises:
        StrangerError: replaces an exception whose traceback has one of its own lines. Other exceptions are ours and
            pass unchanged.
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
    """Traceback lines in the stranger's own code, innermost last: file, line, function, text."""
    return _describe_own(traceback.extract_tb(error.__traceback__), module)


def own_last_lines(text: str, module: str) -> list[str]:
    """Like `own_lines`, from the text that faulthandler wrote when the interpreter crashed."""
    found = re.findall(r'^  File "(.+)", line (\d+) in (.+)$', text, re.MULTILINE)
    frames = [traceback.FrameSummary(path, int(line), name) for path, line, name in reversed(found)]
    inside = dropwhile(
        lambda frame: not Path(frame.filename).resolve().is_relative_to(ZOO), frames
    )  # skip our caller's
    return _describe_own(list(inside), module)


def _describe_own(frames: Iterable[traceback.FrameSummary], module: str) -> list[str]:
    own = [frame for frame in frames if _is_own(Path(frame.filename).resolve(), module.partition(".")[0])]
    return [f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}: {frame.line}" for frame in own]


def _is_own(path: Path, package: str) -> bool:
    """Whether a file is the stranger's own: a model of the zoo, in its package, or outside libraries."""
    if path.is_relative_to(ZOO / "models"):
        return path.name not in OURS
    if path.is_relative_to(LIBRARIES):
        return path.relative_to(LIBRARIES).parts[0] in (package, f"{package}.py") and package != "torch"
    return path.is_file() and not any(path.is_relative_to(folder) for folder in OTHERS)
