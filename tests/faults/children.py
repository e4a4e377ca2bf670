"""Kill a command while processes work for it, one of these, or one of two commands on one study; then start it again.

python -m tests.faults.children 100                      100 of each
python -m tests.faults.children 20 --only commands       20 of one kind: commands, children, pairs
python -m tests.faults.children 20 --broken orphans      at most 20 on a deliberately broken product, until found
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.faults.broken import BROKEN
from tests.faults.commands import COMMON, STDOUT, get_ready, is_alive, prepare, run_through, start, wait, workers_of
from tests.faults.kill import last_line
from tests.faults.traces import find_unlike, read_traces
from zoo.experiments.runs import working_folder

MODELS = "bow(hidden=8,dropout=0.2),dilated-wavenet(channels=8,dropout=0.2)"
STUDY = ["compare", "--models", MODELS, "--seeds", "2", "--steps", "50", *COMMON]
BESIDE = [*STUDY, "--set", "execution=side-by-side"]
SHARED = {way: [*STUDY, "--set", f"execution={way}"] for way in ("sequential", "side-by-side", "stacked")}
CELLS = 4
JOURNAL = "journal.txt"
GRACE = 1.0
"""Seconds within which the children of a killed command end."""

Expected = dict[tuple[str, ...], dict[str, Any]]
"""Command -> traces that it leaves undisturbed."""
Attempt = Callable[[Path, random.Random, Expected, float], tuple[bool, list[str]]]
"""Folder, random numbers, traces, longest wait -> whether the fault hit, and what is wrong."""


def kill_command(folder: Path, draw: random.Random, expected: Expected, longest: float) -> tuple[bool, list[str]]:
    """Kill a command while its children work: they must end, and the same command leave its undisturbed traces."""
    pid = start(BESIDE, folder)
    children = wait_for_workers(pid, longest, draw)
    os.kill(pid, signal.SIGKILL)
    ended, deadline = wait(pid), time.monotonic() + GRACE
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    living = [child for child in children if is_alive(child)]
    for child in living:
        os.kill(child, signal.SIGKILL)
    wrong = [f"{len(living)} children go on"] if living else []
    return ended != 0 and bool(children), wrong + check_again(BESIDE, folder, expected)


def kill_child(folder: Path, draw: random.Random, expected: Expected, longest: float) -> tuple[bool, list[str]]:
    """Kill one child: its cell must be failed or done, the others done, and the same command do the rest."""
    pid = start(BESIDE, folder)
    children = wait_for_workers(pid, longest, draw)
    hit = False
    if children:
        try:
            os.kill(draw.choice(children), signal.SIGKILL)
            hit = True
        except ProcessLookupError:
            pass
    code = wait(pid)
    statuses = Counter(json.loads(path.read_text())["status"] for path in folder.glob("runs/*/*/result.json"))
    failed = statuses["failed"]
    sound = statuses["finished"] + failed == CELLS and failed <= 1 and code == (1 if failed else 0)
    wrong = [] if sound else [f"it ends with {code}, cells {dict(statuses)}: {last_line(folder)}"]
    return hit and failed == 1, wrong + check_again(BESIDE, folder, expected)


def kill_one_of_two(folder: Path, draw: random.Random, expected: Expected, longest: float) -> tuple[bool, list[str]]:
    """Kill one of two processes that run one study: the other one must finish all of it."""
    words = draw.choice(list(SHARED.values()))
    pair = [start(words, folder), start(words, folder)]
    time.sleep(draw.uniform(0.0, longest))
    killed = pair.pop(draw.randrange(2))
    os.kill(killed, signal.SIGKILL)
    hit, code = wait(killed) != 0, wait(pair[0])
    wrong = [f"the other ends with {code}: {last_line(folder)}"] if code else []
    wrong += [f"{run} is worked on by two at once" for run in find_doubled(folder)]
    return hit, wrong or find_unlike(*[without_table(t) for t in (expected[tuple(words)], read_traces(folder))])


def keep_journal() -> None:
    """Make every process log the locks that it takes and releases, in the folder of its command."""
    own = working_folder.lock

    @contextmanager
    def lock(file: Path, *, wait: bool = False) -> Iterator[None]:
        with own(file, wait=wait):
            note(f"{os.getpid()} takes {file.parent.name}")
            try:
                yield
            finally:
                note(f"{os.getpid()} leaves {file.parent.name}")

    def note(line: str) -> None:
        with Path(JOURNAL).open("a") as journal:
            journal.write(f"{line}\n")

    working_folder.lock = lock


def find_doubled(folder: Path) -> set[str]:
    """The runs that one process took while another one held them, unless the holder was killed."""
    doubled, within = set(), dict[tuple[str, str], bool]()
    for line in (folder / JOURNAL).read_text().splitlines() if (folder / JOURNAL).is_file() else []:
        pid, verb, run = line.split(" ", 2)
        if verb == "takes":
            within |= {(owner, held): other or held == run for (owner, held), other in within.items()}
            within[pid, run] = False
        elif within.pop((pid, run)):
            doubled.add(run)
    return doubled


def wait_for_workers(pid: int, longest: float, draw: random.Random) -> list[int]:
    """The workers of a command, at a random moment after the first of them began; none if the command ends."""
    while is_alive(pid) and not workers_of(pid):
        time.sleep(0.005)
    time.sleep(draw.uniform(0.0, longest / 2))
    return workers_of(pid)


def check_again(words: list[str], folder: Path, expected: Expected) -> list[str]:
    """Run the same command, and compare its traces with those of an undisturbed one."""
    if code := run_through(words, folder):
        return [f"again it ends with {code}: {last_line(folder)}"]
    return find_unlike(expected[tuple(words)], read_traces(folder))


def without_table(traces: dict[str, Any]) -> dict[str, Any]:
    """Remove the printed table: both commands print into one file."""
    return {name: content for name, content in traces.items() if name != f"{STDOUT} is not of its records"}


ATTEMPTS: dict[str, Attempt] = {"commands": kill_command, "children": kill_child, "pairs": kill_one_of_two}


def try_often(attempt: Attempt, times: int, draw: random.Random, *, once: bool) -> tuple[Counter[str], list[str]]:
    """Repeat a fault until it hit `times` times, or (`once`) until it is found; returns counts, and what was wrong."""
    place, expected, longest = Path(tempfile.mkdtemp()), Expected(), 0.0
    for number, words in enumerate(SHARED.values() if attempt is kill_one_of_two else [BESIDE]):
        alone, began = prepare(place / f"alone {number}"), time.monotonic()
        if code := run_through(words, alone):
            raise SystemExit(f"left alone it ends with {code}: {last_line(alone)}")
        longest = max(longest, time.monotonic() - began)
        expected[tuple(words)] = read_traces(alone)
    counted, wrong = Counter[str](), list[str]()
    while counted["hit"] < times and counted["commands"] < 5 * times and not (once and wrong):
        folder = prepare(place / "disturbed")
        hit, own = attempt(folder, draw, expected, longest)
        counted += Counter({"commands": 1, "hit": int(hit), "unequal": int(bool(own))})
        wrong += own[:4]
        shutil.rmtree(folder)
    shutil.rmtree(place)
    return counted, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=ATTEMPTS)
    parser.add_argument("--broken", choices=BROKEN)
    given = parser.parse_args()
    get_ready()
    keep_journal()
    if given.broken:
        BROKEN[given.broken]()
    unequal = 0
    print("| killed | commands | hit | unequal |\n|---|--:|--:|--:|", flush=True)
    for name, attempt in ATTEMPTS.items():
        if given.only in (None, name):
            counted, wrong = try_often(attempt, given.times, random.Random(given.seed), once=bool(given.broken))
            print(f"| {name} | {counted['commands']} | {counted['hit']} | {counted['unequal']} |", flush=True)
            print("\n".join(sorted(set(wrong))), end="\n" * bool(wrong), file=sys.stderr, flush=True)
            unequal += counted["unequal"]
    sys.exit(bool(unequal))


if __name__ == "__main__":
    main()
