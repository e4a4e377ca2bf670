"""Progress of units on workers, on its way to the driver; imports no torch, so the actor that holds it is small."""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 0.5
"""Least time between two messages of a worker, and between two questions of the driver."""

News = dict[tuple[int, int], dict[str, Any]]
"""(number of a unit, number of a cell in it) -> the fields of its latest `Progress`."""


class Board:
    """Holds the latest progress of every cell until the driver takes it."""

    def __init__(self) -> None:
        self._news: News = {}

    def post(self, news: News) -> None:
        """Add progress."""
        merge(self._news, news)

    def take(self) -> News:
        """Return what was posted since the last call."""
        news, self._news = self._news, {}
        return news


class Reporter:
    """Collects progress of a unit and sends it at most every `SECONDS`.

    Args:
        send: sends news to the board.
    """

    def __init__(self, send: Callable[[News], object]) -> None:
        self._send, self._last = send, 0.0
        self._news: News = {}

    def report(self, unit: int, cell: int, progress: dict[str, Any]) -> None:
        """Add progress of a cell, and send all that was added if it is time."""
        merge(self._news, {(unit, cell): progress})
        if (now := time.monotonic()) - self._last >= SECONDS:
            news, self._news, self._last = self._news, {}, now
            self._send(news)


def merge(old: News, new: News) -> None:
    """Add `new` to `old`; a note or loss that the new progress of a cell lacks stays."""
    for key, progress in new.items():
        old[key] = {**old.get(key, {}), **{name: value for name, value in progress.items() if value not in (None, "")}}
