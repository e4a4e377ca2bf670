"""Kill a command repeatedly, restart it, and compare its traces with those of an undisturbed one.

python -m tests.faults.kill 1000                1,000 kills at random moments, over models and ways of execution
python -m tests.faults.kill 50 --broken NAME    50 on a deliberately broken product, which must be found unequal
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.faults.campaign import Campaign, run_campaign
from tests.faults.cases import Case, list_cases
from tests.faults.commands import STDERR, prepare, run_through, start, wait
from tests.faults.traces import find_unlike, read_traces

A_ROUND = 5
"""Most kills of one command before it may finish."""


class Kills(NamedTuple):
    """Number of kills of a command, number of these with a checkpoint, and exit code of its last start."""

    hit: int
    kept: int
    code: int


def run_with_kills(words: Sequence[str], folder: Path, kills: int, longest: float, draw: random.Random) -> Kills:
    """Kill a command up to `kills` times, then run it to its end; a kill counts if it found the process at work."""
    hit = kept = 0
    while hit < kills:
        pid = start(words, folder)
        time.sleep(draw.uniform(0.0, longest))
        os.kill(pid, signal.SIGKILL)
        if wait(pid) == 0:
            break  # it had ended
        hit += 1
        kept += any(folder.glob("runs/**/checkpoint-*"))
    return Kills(hit, kept, run_through(words, folder))


def try_case(case: Case, place: Path, kills: int, draw: random.Random) -> tuple[Counter[str], list[str]]:
    """Kill a command `kills` times; returns counts, and differences from an undisturbed one."""
    alone, began = prepare(place / "alone", case.files), time.monotonic()
    if code := run_through(case.words, alone):
        return Counter(), [f"left alone it ends with {code}: {last_line(alone)}"]
    longest, expected = time.monotonic() - began, read_traces(alone)
    counted, unlike = Counter[str](), set[str]()
    while counted["kills"] < kills:
        folder = prepare(place / "killed", case.files)
        done = run_with_kills(case.words, folder, min(A_ROUND, kills - counted["kills"]), longest, draw)
        counted += Counter({"kills": done.hit, "with a checkpoint": done.kept, "commands": 1})
        own = [f"it ends with {done.code}: {last_line(folder)}"] if done.code else []
        own = own or find_unlike(expected, read_traces(folder))
        counted["unequal"] += bool(own)
        unlike |= set(own)
        shutil.rmtree(folder)
    shutil.rmtree(alone)
    return counted, sorted(unlike)


def last_line(folder: Path) -> str:
    """The last line that a command printed on standard error."""
    return (folder / STDERR).read_text().strip().rpartition("\n")[2]


def main() -> None:
    run_campaign(Campaign("kills", ("with a checkpoint", "commands", "unequal"), list_cases, try_case), __doc__)


if __name__ == "__main__":
    main()
