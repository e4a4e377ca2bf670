"""Send runs to one tracker: point by point while they train, and what is missing from their records.

What a tracker has in the end depends on the records alone: points that were sent while the run trained are kept if they
are the first ones of its record, and the run begins again otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.experiments.records.run import Recorded
from zoo.experiments.records.signals import read_signals
from zoo.trackers.contents import Content, collect_run, collect_study, describe_run, merge_points, signal_points
from zoo.trackers.interface import Ending, Point, TrackedRun, Tracker


@dataclass
class _Live:
    """A run that has begun: what was sent of it."""

    run: TrackedRun
    working: Path
    """Its working folder, which has the signals of a watched run."""
    sent: dict[tuple[str, int], float] = field(default_factory=dict)
    signals: int = 0
    """Number of signals that were sent."""


class Delivery:
    """Sends the runs of one study to a tracker. Every method raises what the tracker raises."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._live: dict[str, _Live] = {}

    def begin(self, recorded: Recorded, group: str, name: str, working: Path) -> None:
        """Begin a run that trains."""
        run = describe_run(recorded, group, name)
        self._tracker.begin(run)
        self._live[name] = _Live(run, working)

    def add_point(self, name: str, point: Point) -> None:
        """Send a point of a run that trains, and its signals that are complete; nothing if it has not begun."""
        live = self._live.get(name)
        if live is None:
            return
        try:
            signals = read_signals(live.working)[:-1]  # the last one lacks its updates until the next step
            new = signals[live.signals :]
            live.signals = len(signals)
            self._log(live, merge_points([point, *signal_points(new)]))
        except BaseException:
            del self._live[name]  # sent as a whole when it has ended
            raise

    def send_run(self, directory: Path) -> bool:
        """Send what is missing of a finished run; return False if nothing was.

        Raises:
            RunError: there is no run, or it is damaged.
        """
        return self._send(collect_run(directory))

    def send_study(self, path: Path) -> bool:
        """Send the summary of a study; return False if it is there.

        Raises:
            RunError: a record is missing or damaged.
        """
        return self._send(collect_study(path))

    def close(self) -> None:
        """End the runs that have not ended."""
        for live in list(self._live.values()):
            self._tracker.end(live.run, Ending("interrupted"))
        self._live.clear()

    def _send(self, content: Content) -> bool:
        run, live = content.run, self._live.pop(content.run.name, None)
        if live is None:
            if self._tracker.has(run, content.ending.digest):
                return False
        elif not _is_first_part(live.sent, content.points):
            live = None
        if live is None:
            self._tracker.begin(run)
            live = _Live(run, Path())
        self._log(live, content.points)
        self._tracker.end(run, content.ending)
        return True

    def _log(self, live: _Live, points: Sequence[Point]) -> None:
        """Send the numbers of points that were not sent."""
        new = [
            Point(point.step, {key: value for key, value in point.values.items() if (key, point.step) not in live.sent})
            for point in points
        ]
        if any(point.values for point in new):
            self._tracker.log(live.run, [point for point in new if point.values])
        live.sent |= {(key, point.step): value for point in new for key, value in point.values.items()}


def _is_first_part(sent: dict[tuple[str, int], float], points: Sequence[Point]) -> bool:
    """Whether what was sent of each number are its first points, with the same values."""
    whole = {(key, point.step): value for point in points for key, value in point.values.items()}
    if any(whole.get(place) != value for place, value in sent.items()):
        return False
    last: dict[str, int] = {}
    for key, step in sent:
        last[key] = max(step, last.get(key, -1))
    return all(step > last.get(key, -1) for key, step in whole.keys() - sent.keys())
