"""SIGTERM and SIGINT: the first one asks the work to stop where it can go on later, a second one ends it at once.

Work that can stop well is inside `stoppable`, asks `requested` between two steps, keeps its state and calls `stop`. In
any other place inside `raising`, and where no step comes within two seconds, a signal raises `Interrupted`; outside of
it, where nobody would catch that, it ends the process. A signal waits for an import to end, whose C++ may abort at an
exception. One that was swallowed (a destructor, a bare `except`) is raised again.
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
"""Seconds that work, or an import, has to end by itself."""
AGAIN = 0.2
"""Seconds between two looks whether an exception was swallowed."""
SOON = 0.02
"""Seconds between two looks whether an import has ended."""
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
    """The process is to end; it passes through everything that catches errors."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def exit_code(error: BaseException | None) -> int:
    """What a process that ends by this error tells the shell: 75, "run me again", of SIGTERM, 130 of Ctrl-C."""
    return _code(error.signal if isinstance(error, Interrupted) else signal.SIGINT)


def listen(farewell: Callable[[int], str] | None = None, *, child: bool = False) -> None:
    """Handle the two signals from now on; in the main thread of a command.

    Args:
        farewell: what is said on standard error if the process ends at once: exit code -> text.
        child: of a command that passes on what it is asked: a signal that comes again is the same request.
    """
    global _process, _is_child, _farewell, _request, _raises, _raised, _steps, _held, _threads
    _threads = frozenset(threading.enumerate())
    if _process is None:
        atexit.register(_ignore)  # the first one runs last: all is done, and the interpreter handles no signal any more
    _process, _is_child, _farewell = os.getpid(), child, farewell
    _request, _raises, _raised, _steps, _held = None, False, False, 0, 0
    signal.signal(signal.SIGTERM, _handle)
    signal.signal(signal.SIGINT, _handle)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _look_again)


def listens() -> bool:
    """Whether this process is a command's: then a KeyboardInterrupt that is not `Interrupted` is nobody's Ctrl-C."""
    return signal.getsignal(signal.SIGINT) is _handle


def find_new_threads() -> list[threading.Thread]:
    """Threads of a command that were started since it listens, and not for its progress bar: by a model."""
    others = threading.enumerate() if listens() else []
    return [one for one in others if one not in _threads and type(one).__module__.partition(".")[0] != "rich"]


@contextmanager
def raising() -> Iterator[None]:
    """Work that a signal ends by an exception; whatever else it ends by then was that signal.

    Raises:
        Interrupted: the process was asked to stop.
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
    """Work that asks `requested` between two steps."""
    global _steps
    _steps += 1
    try:
        yield
    finally:
        _steps -= 1


@contextmanager
def held() -> Iterator[None]:
    """A few lines that no signal comes between."""
    global _held
    _held += 1
    try:
        yield
    finally:
        _held -= 1


def requested() -> bool:
    """Whether the process was asked to stop."""
    return _request is not None


def stop() -> NoReturn:
    """End the work, as it was asked to.

    Raises:
        Interrupted: always.
    """
    global _raised
    _raised = True
    _set_timer(AGAIN)
    raise Interrupted(_request or signal.SIGINT)


def _handle(number: int, frame: FrameType | None) -> None:
    global _request, _requested_at
    if os.getpid() != _process:  # it was forked, and does not listen yet
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
    """Raise what was put off or swallowed."""
    if _request is None or os.getpid() != _process:
        return
    if _raised and _is_passing(sys.exception()):
        _set_timer(AGAIN)  # things are left in order
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
    """End the process here."""
    code = _code(_request or signal.SIGINT)
    if _farewell:
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""  # a progress bar hides it
        with suppress(OSError):
            os.write(2, f"{show_cursor}{_farewell(code)}\n".encode())
    os._exit(code)


def _set_timer(seconds: float) -> bool:
    """Have `_look_again` called; whether that can be."""
    if not hasattr(signal, "setitimer"):
        return False
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return True


def _hide(usual: Callable[[Any], object]) -> Callable[[Any], object]:
    """The hook for exceptions that nobody can catch, silent for ours, which comes again."""
    return lambda found: None if isinstance(found.exc_value, Interrupted) else usual(found)


def _ignore() -> None:
    if os.getpid() == _process and listens():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _code(number: int) -> int:
    return TERMINATED if number == signal.SIGTERM else INTERRUPTED
