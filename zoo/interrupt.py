"""SIGTERM and SIGINT: the first asks the work to stop so that it can continue later, the second ends the process.

Work inside `stoppable` calls `requested` between two steps, saves its state and calls `stop`. Elsewhere inside
`raising`, and if no step ends within two seconds, a signal raises `Interrupted`. Outside `raising`, where nothing would
catch it, a signal ends the process. During an import a signal waits, because C++ code may abort on an exception. A
swallowed `Interrupted` (in a destructor, by a bare `except`) is raised again.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

TERMINATED, INTERRUPTED = 75, 130
PATIENCE = 2.0
"""Seconds that a step or an import may take to end after a signal."""
AGAIN = 0.2
"""Seconds between two checks whether `Interrupted` was swallowed."""
SOON = 0.02
"""Seconds between two checks whether an import, or work inside `held`, has ended."""
IMPORT = "<frozen importlib._bootstrap>"

_process: int | None = None
_is_child = False
_farewell: Callable[[int], str] | None = None
_request: int | None = None
_requested_at = 0.0
_raises = _raised = False
_steps = _held = 0
_threads: frozenset[threading.Thread] = frozenset()


class Interrupted(KeyboardInterrupt):
    """Raised by a signal to end the process; not caught by `except Exception`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def exit_code(error: BaseException | None) -> int:
    """Exit code of a process that this error ends: 75 after SIGTERM ("run me again"), 130 after Ctrl-C."""
    return _code(error.signal if isinstance(error, Interrupted) else signal.SIGINT)


def listen(farewell: Callable[[int], str] | None = None, *, child: bool = False) -> None:
    """Install the handlers of both signals, in the main thread of a command.

    Args:
        farewell: exit code -> message on standard error if the process ends at once.
        child: whether this is a child of a command that forwards its signals; a repeated signal is then ignored.
    """
    global _process, _is_child, _farewell, _request, _raises, _raised, _steps, _held, _threads
    _threads = frozenset(threading.enumerate())
    if _process is None:
        atexit.register(_ignore)  # registered first, so it runs last, when all work is done
    _process, _is_child, _farewell = os.getpid(), child, farewell
    _request, _raises, _raised, _steps, _held = None, False, False, 0, 0
    signal.signal(signal.SIGTERM, _handle)
    signal.signal(signal.SIGINT, _handle)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _look_again)


def listens() -> bool:
    """Whether `listen` handles Ctrl-C here; if so, a KeyboardInterrupt that is not `Interrupted` is not Ctrl-C."""
    return signal.getsignal(signal.SIGINT) is _handle


def find_new_threads() -> list[threading.Thread]:
    """Threads that a model started: those since `listen`, except the progress bar's. Empty if nothing listens."""
    others = threading.enumerate() if listens() else []
    return [one for one in others if one not in _threads and type(one).__module__.partition(".")[0] != "rich"]


@contextmanager
def raising() -> Iterator[None]:
    """Context in which a signal raises `Interrupted`; any exception that leaves it after a signal becomes one.

    Raises:
        Interrupted: a signal came.
    """
    global _raises
    usual, sys.unraisablehook = sys.unraisablehook, _hide(sys.unraisablehook)
    try:
        _raises = True
        yield
    except BaseException as error:
        _raises = False
        if _request is not None and not isinstance(error, Interrupted):
            raise Interrupted(_request) from error
        raise
    finally:
        _raises = False
        _set_timer(0)
        sys.unraisablehook = usual
    if _request is not None:
        raise Interrupted(_request)


@contextmanager
def stoppable() -> Iterator[None]:
    """Context of work that calls `requested` between two steps."""
    global _steps
    _steps += 1
    try:
        yield
    finally:
        _steps -= 1


@contextmanager
def held() -> Iterator[None]:
    """Context of a few lines in which no signal raises an exception."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1


def requested() -> bool:
    """Whether a signal asked the process to stop."""
    return _request is not None


def stop() -> NoReturn:
    """Raise `Interrupted`, after a request to stop.

    Raises:
        Interrupted: always.
    """
    global _raised
    _raised = True
    _set_timer(AGAIN)
    raise Interrupted(_request or signal.SIGINT)


def _handle(number: int, frame: FrameType | None) -> None:
    global _request, _requested_at
    if os.getpid() != _process:  # a forked child that does not listen yet
        os._exit(_code(number))
    if _request is not None and _is_child:
        return
    again = _request is not None
    _request = _request or number
    if again or not _raises:
        _end()
    _requested_at = time.monotonic()
    if _steps and _set_timer(PATIENCE):
        return
    _stop_here(frame)


def _look_again(_: int, frame: FrameType | None) -> None:
    """Raise `Interrupted` if it was postponed or swallowed."""
    if _request is None or os.getpid() != _process:
        return
    if _raised and _is_passing(sys.exception()):
        _set_timer(AGAIN)  # `Interrupted` is on its way up, and cleanup runs
    else:
        _stop_here(frame)


def _stop_here(frame: FrameType | None) -> None:
    late = time.monotonic() - _requested_at >= PATIENCE
    if _held or _is_importing(frame):
        if late and not _held:
            _end()
        if _set_timer(SOON):
            return
    stop()


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT:
            return True
        frame = frame.f_back
    return False


def _is_passing(error: BaseException | None) -> bool:
    """Whether `Interrupted` is being handled."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None


def _end() -> NoReturn:
    """Print the farewell and end the process at once."""
    code = _code(_request or signal.SIGINT)
    if _farewell:
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides it
        with suppress(OSError):
            os.write(2, f"{show_cursor}{_farewell(code)}\n".encode())
    os._exit(code)


def _set_timer(seconds: float) -> bool:
    """Schedule `_look_again` in `seconds`, or cancel it with 0; returns whether the platform has such a timer."""
    if not hasattr(signal, "setitimer"):
        return False
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return True


def _hide(usual: Callable[[Any], object]) -> Callable[[Any], object]:
    """Wrap the hook for unraisable exceptions to be silent about `Interrupted`, which is raised again."""
    return lambda found: None if isinstance(found.exc_value, Interrupted) else usual(found)


def _ignore() -> None:
    if os.getpid() == _process and listens():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _code(number: int) -> int:
    return TERMINATED if number == signal.SIGTERM else INTERRUPTED
