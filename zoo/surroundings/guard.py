"""Restore the surroundings after foreign code has run: silently, with a notice, or with an error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import RunError, StrangerError
from zoo.surroundings.arithmetic import ARITHMETIC
from zoo.surroundings.patches import PATCHES
from zoo.surroundings.process import MODES, PROCESS
from zoo.surroundings.random_numbers import random_numbers

SETTINGS = (MODES, *ARITHMETIC, *PROCESS, PATCHES)  # modes first: one may intercept torch's own getters

_reported: set[str] = set()
_watching = False


class Surroundings:
    """A snapshot of the global state of this process; takes well under a millisecond."""

    def __init__(self) -> None:
        self._values = [setting.read() for setting in SETTINGS]

    def restore(self) -> list[str]:
        """Restore the snapshot; return the changes, as "torch's default dtype from float32 to float64".

        A change that cannot be undone is marked "(which stays)".
        """
        found = []
        for place, setting in enumerate(SETTINGS):
            before = self._values[place]
            if changes := setting.changes(before, setting.read()):
                setting.write(before)
                self._values[place] = setting.read()
                stays = setting.changes(before, self._values[place])
                found += [f"{change} (which stays)" if change in stays else change for change in changes]
        return found


@contextmanager
def restore_silently() -> Iterator[None]:
    """Silently restore what the code inside changes; of nested contexts only the outermost does it."""
    global _watching
    if _watching:
        yield
        return
    before, _watching = Surroundings(), True
    try:
        yield
    finally:
        _watching = False
        before.restore()


@contextmanager
def restore_and_report(who: str, when: str) -> Iterator[None]:
    """Restore what foreign code changes, and report it once on standard error. Random numbers are restored silently.

    Args:
        who: subject of the notice, as "'./mine.py:Mine'".
        when: end of the notice, as "at import".
    """
    with random_numbers():
        before = Surroundings()
        try:
            yield
        finally:
            if changes := before.restore():
                _report(
                    f"{who} changes {_join(changes)} {when}: restored, because it would affect the other models too."
                )


class Watch:
    """Collect and undo changes that foreign code makes, at every `look`.

    Args:
        who: subject of the complaint, as "Model './mine.py:Mine'".
        when: end of the complaint, as "in training".
    """

    def __init__(self, who: str, when: str) -> None:
        self._who, self._when = who, when
        self._before = Surroundings()
        self._changes: list[str] = []

    def look(self) -> None:
        """Undo the changes since the last look, and record them."""
        self._changes += [change for change in self._before.restore() if change not in self._changes]

    @property
    def complaint(self) -> str | None:
        """A sentence that names all changes; None if there are none."""
        if not self._changes:
            return None
        return (
            f"{self._who} changes {_join(self._changes)} {self._when}, which would affect the other models too: "
            "restore it before the call returns."
        )


@contextmanager
def watch_changes(who: str, when: str) -> Iterator[Watch]:
    """Watch code that should change nothing; if it does, the `Watch` has a `complaint` afterwards.

    Raises:
        StrangerError: replaces an exception of the code if changes may have caused it.
    """
    watch = Watch(who, when)
    try:
        yield watch
    except Exception as error:
        watch.look()
        if watch.complaint:
            raise StrangerError(watch.complaint) from error
        raise
    finally:
        watch.look()


@contextmanager
def forbid_changes(who: str, when: str) -> Iterator[None]:
    """Restore what the code inside changes, and raise an error about it.

    Raises:
        RunError: at the end; names the changes.
        StrangerError: as `watch_changes`.
    """
    with watch_changes(who, when) as watch:
        yield
    if watch.complaint:
        raise RunError(watch.complaint)


def _report(notice: str) -> None:
    if notice not in _reported:
        _reported.add(notice)
        print(notice, file=sys.stderr)


def _join(changes: list[str]) -> str:
    return " and ".join([", ".join(changes[:-1]), changes[-1]] if changes[1:] else changes)
