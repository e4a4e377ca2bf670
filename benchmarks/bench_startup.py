"""Time the start of the command line, against its necessary imports: click, and torch.

Every start is a process of its own; the two sides take turns. `compare` has started when its bar, drawn on a
pseudo-terminal, names the first run: the text is read, every model is built and checked, and the untrained weights are
evaluated.
"""

import os
import pty
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from turns import in_turns, ratio

CLI = str(Path(__file__).resolve().parents[1] / "cli.py")
HELP_AT_MOST, HELP_TIMES = 0.25, 3.0
"""Targets of `--help` and `list`: seconds, and ratio to `import click`."""
COMPARE_TIMES, COMPARE_PLUS = 1.2, 1.0
"""Target of the start of `compare`: this times `import torch`, plus this number of seconds."""
FIRST_STEP_TIMES = 1.4
"""Target of the first training step: this times `import torch`."""
FIRST_RUN = b"seed 1"
UNTIL_FIRST_STEP = """
import os, runpy, sys
from zoo.training import step

def end_after(self, *given, call=step.TrainStep.__call__):
    call(self, *given)
    os._exit(0)

step.TrainStep.__call__ = end_after
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""

TABLE = Table("start-up", "command", "must import", "which takes", "measured", "distance", "target", "")


def python(*words: str) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", ["--help", "list"])
def bench_answer(benchmark: BenchmarkFixture, turns: int, command: str) -> None:
    """Time a command that computes nothing, against importing click."""
    ours, click = in_turns(benchmark, lambda: python(CLI, command), lambda: python("-c", "import click"), turns=turns)
    times, seconds = ratio(ours, click), median(ours)
    benchmark.extra_info["ratio"] = times
    target = f"under {duration(HELP_AT_MOST)} and {HELP_TIMES:g}×"
    reached = met(seconds < HELP_AT_MOST and times < HELP_TIMES)
    TABLE.add(command, "click", duration(median(click)), duration(seconds), f"{times:.2f}×", target, reached)


def bench_compare(benchmark: BenchmarkFixture, turns: int, tmp_path: Path) -> None:
    """Time `compare` until its first progress, against importing torch."""

    def start() -> None:
        first_progress(["compare", "--models", "mlp,wavenet", "--out", str(tmp_path)])

    ours, torch = in_turns(benchmark, start, lambda: python("-c", "import torch"), turns=turns)
    times, seconds = ratio(ours, torch), median(ours)
    benchmark.extra_info["ratio"] = times
    limit = COMPARE_TIMES * median(torch) + COMPARE_PLUS
    target = f"under {duration(limit)}: {COMPARE_TIMES:g}× and {duration(COMPARE_PLUS)}"
    cells = duration(median(torch)), duration(seconds), f"{times:.2f}×"
    TABLE.add("compare", "torch", *cells, target, met(seconds < limit))


def bench_first_step(benchmark: BenchmarkFixture, turns: int, tmp_path: Path) -> None:
    """Time `train` until its first training step is done, against importing torch."""

    def start() -> None:
        python("-c", UNTIL_FIRST_STEP, CLI, "train", "bigram", "--fresh", "--out", str(tmp_path))

    ours, torch = in_turns(benchmark, start, lambda: python("-c", "import torch"), turns=turns)
    times = ratio(ours, torch)
    benchmark.extra_info["ratio"] = times
    cells = duration(median(torch)), duration(median(ours)), f"{times:.2f}×"
    TABLE.add("train, first step", "torch", *cells, f"{FIRST_STEP_TIMES:g}×", met(times < FIRST_STEP_TIMES))


def first_progress(words: list[str]) -> None:
    """Run a command on a pseudo-terminal until its bar names a run, then kill it."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, CLI, *words], stdout=its, stderr=its, env={**os.environ, "COLUMNS": "100"}
    )
    os.close(its)
    seen = b""
    try:
        while FIRST_RUN not in seen:
            seen += os.read(ours, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
