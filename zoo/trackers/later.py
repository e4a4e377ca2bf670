"""Send runs from their records, when the command that trained them has ended."""

from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from zoo.trackers.contents import list_contents, locate_run
from zoo.trackers.courier import Courier, close_all
from zoo.trackers.find import FoundTracker

SILENT = 60.0
"""Seconds without an answer after which a tracker counts as dead."""


class Sent(NamedTuple):
    """What became of the runs of one tracker: numbers of runs and summaries, and the first thing that went wrong."""

    tracker: str
    sent: int
    there: int
    unsent: int
    trouble: str
    where: str


def send_records(directory: Path, trackers: Sequence[FoundTracker]) -> Iterator[Sent]:
    """Send a run, or all runs and the summary of a study, to trackers that lack them.

    Args:
        directory: a run, the folder of a study, or a study's record.

    Raises:
        RunError: there is no such run or study.
    """
    runs, study = list_contents(directory)
    folder = study.parent if study else locate_run(runs[0])[0]
    for tracker in trackers:
        courier = Courier(tracker, folder, gently=False)
        try:
            for run in runs:
                courier.send("run", str(run.absolute()))
            if study:
                courier.send("study", str(study.absolute()))
        finally:
            close_all([courier], silent=SILENT, longest=inf)
        yield Sent(str(tracker), courier.sent, courier.there, courier.unsent, courier.trouble, courier.where)
