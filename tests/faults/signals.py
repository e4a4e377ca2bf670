"""Send signals to a command at random moments of its life, from the start of its interpreter on; check how it ends.

python -m tests.faults.signals 200        200 signalled commands
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT
from tests.faults.commands import COMMON, STDOUT, prepare
from tests.faults.traces import find_unlike, read_traces

COMMANDS = {
    "train": ["train", "gru(hidden=8)", "--steps", "150"],
    "compare": ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "1", "--steps", "100"],
    "side by side": ["compare", "--models", "bigram,bow(hidden=4)", "--seeds", "1", "--steps", "100", "--set",
                     "execution=side-by-side"],
}  # fmt: skip
CODES = {signal.SIGTERM: 75, signal.SIGINT: 130}
BURSTS = {"one": (0.0,), "two at once": (0.0, 0.0), "three in 0.2 s": (0.0, 0.1, 0.1)}
A_ROUND = 4
"""Most signals to one command, restarted after each, before it may finish."""
PATIENCE = 60


class Ending(NamedTuple):
    """The end of a signalled command."""

    when: str
    wrong: str
    """Fault of this end; "" if none."""


def start(words: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """Start a command in an interpreter and a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end_by(
    number: signal.Signals, words: Sequence[str], folder: Path, delay: float, waits: Sequence[float], *, to_all: bool
) -> Ending:
    """Start a command and send it, or all of its processes, a signal: once or several times, `waits` seconds apart."""
    process = start(words, folder)
    time.sleep(delay)
    when = "over"
    for count, wait in enumerate(waits):
        time.sleep(wait)
        if process.poll() is not None:
            break
        when = describe_moment(process.pid) if not count else when
        (os.killpg if to_all else os.kill)(process.pid, number)
    try:
        _, told = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Ending(when, "it goes on")
    return Ending(when, find_fault(number, when, process.returncode, told))


def describe_moment(pid: int) -> str:
    """The phase of a command, by the signals that it handles; before its first line it handles none."""
    masks = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    bit = 1 << (signal.SIGTERM - 1)
    if int(masks.get("SigIgn", "0"), 16) & bit:
        return "all is done"
    return "at work" if int(masks.get("SigCgt", "0"), 16) & bit else "before our first line"


def find_fault(number: signal.Signals, when: str, code: int, told: str) -> str:
    """The fault of a command's end; "" if none."""
    if when in ("before our first line", "over"):
        return ""
    if when == "all is done" and code == 0:
        return ""
    if code != CODES[number]:
        return f"exit code {code}: {told.strip().splitlines()[-1:]}"
    if "Traceback" in told or "Exception ignored" in told:
        return "a traceback"
    last = told.strip().splitlines()[-1]
    return "" if last.startswith("To go on: ") else f"the last line is {last!r}"


def signal_one(words: Sequence[str], place: Path, count: int, draw: random.Random) -> tuple[Counter[str], list[str]]:
    """Signal a command `count` times; returns counts by phase, and what was wrong."""

    words, alone, began = [*words, *COMMON], prepare(place / "alone"), time.monotonic()
    assert finish(words, alone) == (0, [])
    longest, expected = time.monotonic() - began, read_traces(alone)
    moments, wrong = Counter[str](), list[str]()
    while moments.total() < count:
        folder = prepare(place / f"round {moments.total()}")
        for _ in range(min(A_ROUND, count - moments.total())):
            number, burst = draw.choice(list(CODES)), draw.choice(list(BURSTS))
            to_all = draw.random() < 0.5
            ending = end_by(number, words, folder, draw.uniform(0, longest), BURSTS[burst], to_all=to_all)
            if ending.when == "over":
                break
            moments[ending.when] += 1
            if ending.wrong:
                wrong.append(f"{number.name}, {burst}, {'all' if to_all else 'one'}: {ending.wrong}")
        code, told = finish(words, folder)
        if code:
            wrong.append(f"then exit code {code}: {told}")
        unlike = find_unlike(expected, read_traces(folder))
        wrong += [f"unequal: {', '.join(unlike)}"] if unlike else []
        shutil.rmtree(folder)
    return moments, wrong


def finish(words: Sequence[str], folder: Path) -> tuple[int, list[str]]:
    """Run a command to its end; returns its exit code, and its last line if that is not 0."""
    process = start(words, folder)
    printed, told = process.communicate()
    (folder / STDOUT).write_text(printed)
    return process.returncode, told.strip().splitlines()[-1:] if process.returncode else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("signals", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background shell would ignore it, and the command inherit that
    draw, each, failed = random.Random(given.seed), -(-given.signals // len(COMMANDS)), False
    columns = ("before our first line", "at work", "all is done")
    print("| | signalled | before our first line | at work | all is done | wrong |\n|---|--:|--:|--:|--:|--:|")
    for name, words in COMMANDS.items():
        place = Path(tempfile.mkdtemp())
        moments, wrong = signal_one(words, place, each, draw)
        counts = " | ".join(str(moments[column]) for column in columns)
        print(f"| {name} | {moments.total()} | {counts} | {len(wrong)} |", flush=True)
        for line in wrong:
            print(f"  {line}", file=sys.stderr, flush=True)
        failed |= bool(wrong)
        shutil.rmtree(place)
    sys.exit(failed)


if __name__ == "__main__":
    main()
