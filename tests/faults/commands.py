"""Run commands in forked processes, which have everything imported: a killed one costs no start of Python."""

import os
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from zoo.experiments.runs.workers import release_threads

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMMON = ["--data", "words.txt", "--batch-size", "8", "--threads", "1", "--set", "checkpoint_every=0.000001"]
STDOUT, STDERR = "stdout.txt", "stderr.txt"


def get_ready() -> None:
    """Import the modules of commands once before forking, write a checkpoint at every step, and shorten the probes."""
    import torch

    torch.set_num_threads(1)
    import cli  # noqa: F401
    import zoo.conformance.contract
    import zoo.experiments.verify.folder
    import zoo.reports.report  # noqa: F401
    from zoo.catalog import MODELS
    from zoo.experiments.records.code import digest_harness
    from zoo.experiments.records.fingerprint import digest_model
    from zoo.experiments.runs import checkpoints, cost, timing

    digest_harness()  # reads sources and finds libraries once
    for name in MODELS.names():
        digest_model(MODELS.get(name), MODELS.find(name).target)
    checkpoints.MOST = 1e6  # tiny steps take less time than a checkpoint
    os.fsync = lambda _: None  # a killed process loses no written data, only a stopped machine does
    timing.SECONDS_A_TURN, timing.TURNS, cost.PEAKS, cost.FLOP_BATCHES = 0.0, 1, 1, 2


def prepare(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Make a folder with a fixed text of sixty words, and other files by name."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    text = "".join("".join(draw.choices("abcdef", k=5)) + "\n" for _ in range(60))
    for name, content in {"words.txt": text, **(files or {})}.items():
        (folder / name).write_text(content)
    return folder


def start(words: Sequence[str], folder: Path, main: Callable[[], object] | None = None) -> int:
    """Fork a process that runs a command (or another `main`) in a folder, with its output in files there.

    Returns the process id.
    """
    release_threads()  # of earlier tests
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream, name in ((1, STDOUT), (2, STDERR)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.stdout, sys.stderr = (open(stream, "w", buffering=1, closefd=False) for stream in (1, 2))  # noqa: SIM115
        sys.argv = ["zoo", *words]
        import cli

        (main or cli.main)()
        sys.stdout.flush()
        os._exit(0)
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(99)
    return 0


def wait(pid: int) -> int:
    """Wait for a process; returns its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_through(words: Sequence[str], folder: Path) -> int:
    """Run a command to its end; returns its exit code."""
    return wait(start(words, folder))


def workers_of(pid: int) -> list[int]:
    """The workers of a command: its children in process groups of their own."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in children if os.getpgid(child) == child]
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_alive(pid: int) -> bool:
    """Whether a process runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
