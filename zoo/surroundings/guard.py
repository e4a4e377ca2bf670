"""Surroundings as they were: put back after a model's file had its turn, and told; after its training, refused."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from zoo.errors import RunError
from zoo.surroundings.arithmetic import ARITHMETIC
from zoo.surroundings.patches import PATCHES
from zoo.surroundings.process import MODES, PROCESS
from zoo.surroundings.random_numbers import random_numbers

SETTINGS = (MODES, *ARITHMETIC, *PROCESS, PATCHES)  # a mode may stand in the way of all that torch says of itself

_reported: set[str] = set()
_watching = False


class Surroundings:
    """What all models of this process share, as it is when this is made; well under a millisecond."""

    def __init__(self) -> None:
        self._values = [setting.read() for setting in SETTINGS]

    def restore(self) -> list[str]:
        """What was no longer as it was, and is again: "torch's default dtype from float32 to float64"; or nothing.

        Of what cannot be put back it is said that it stays.
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
    """Around work of any kind: what it changes is put back, silently; once, where such stretches lie in each other."""
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
    """Around a stranger's code: what it changes is put back, and told once on standard error; random numbers silently.

    Args:
        who: "'./mine.py:Mine'".
        when: "at import".
    """
    with random_numbers():
        before = Surroundings()
        try:
            yield
        finally:
            if changes := before.restore():
                _report(f"{who} changes {_join(changes)} {when}: put back, for it would change the other models too.")


class Watch:
    """What a stranger's code changed, looked for as often as asked, and put back.

    Args:
        who: "Model './mine.py:Mine'".
        when: "in training".
    """

    def __init__(self, who: str, when: str) -> None:
        self._who, self._when = who, when
        self._before = Surroundings()
        self._changes: list[str] = []

    def look(self) -> None:
        """Put back what has changed since, and remember it."""
        self._changes += [change for change in self._before.restore() if change not in self._changes]

    @property
    def complaint(self) -> str | None:
        """What was changed, in a sentence; None where nothing was."""
        if not self._changes:
            return None
        return (
            f"{self._who} changes {_join(self._changes)} {self._when}, which would change the other models too: it "
            "must leave every call as it found it."
        )


@contextmanager
def watch_changes(who: str, when: str) -> Iterator[Watch]:
    """Around work that should change nothing, to be asked afterwards for a `complaint`.

    Raises:
        RunError: in place of another exception, where something was changed that may have led to it.
    """
    watch = Watch(who, when)
    try:
        yield watch
    except Exception as error:
        watch.look()
        if watch.complaint:
            raise RunError(watch.complaint) from error
        raise
    finally:
        watch.look()


@contextmanager
def forbid_changes(who: str, when: str) -> Iterator[None]:
    """Around work that may change nothing.

    Raises:
        RunError: at the end; what was changed is named, and put back.
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
