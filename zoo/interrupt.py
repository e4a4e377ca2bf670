"""SIGTERM and SIGINT: the first one asks the work to stop where it can go on later, a second one ends it at once.

Work that can stop well is inside `stoppable`, asks `requested` between two steps, keeps its state and calls `stop`. In
any other place, and where no step comes within two seconds, a signal ends the work where it is.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

TERMINATED, INTERRUPTED = 75, 130
PATIENCE = 2.0
"""Seconds that work has to stop by itself."""

_is_child = False
_request: int | None = None
_depth = 0


class Interrupted(KeyboardInterrupt):
    """The process is to end; it passes through everything that catches errors."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


def exit_code(error: BaseException | None) -> int:
    """What a process that ends by this error tells the shell: 75, "run me again", of SIGTERM, 130 of Ctrl-C."""
    terminated = isinstance(error, Interrupted) and error.signal == signal.SIGTERM
    return TERMINATED if terminated else INTERRUPTED


def listen(*, child: bool = False) -> None:
    """Handle the two signals from now on; in the main thread of a command.

    Args:
        child: of a command that passes on what it is asked: a signal that comes again is the same request.
    """
    global _is_child
    _is_child = child
    signal.signal(signal.SIGTERM, _handle)
    signal.signal(signal.SIGINT, _handle)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, lambda *_: stop())


def listens() -> bool:
    """Whether this process is a command's: then a KeyboardInterrupt that is not `Interrupted` is nobody's Ctrl-C."""
    return signal.getsignal(signal.SIGINT) is _handle


@contextmanager
def stoppable() -> Iterator[None]:
    """Work that asks `requested` between two steps."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def requested() -> bool:
    """Whether the process was asked to stop."""
    return _request is not None


def stop() -> NoReturn:
    """End the work, as it was asked to.

    Raises:
        Interrupted: always.
    """
    global _request
    number, _request = _request or signal.SIGINT, None
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    raise Interrupted(number)


def _handle(number: int, _: Any) -> None:
    global _request
    again, _request = _request is not None, number
    if not _depth or (again and not _is_child):
        stop()
    if not again and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
