"""A failing cell does not affect others: these run, and the failed one has its reason in every report."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.faults.commands import start

MINE = """
import ctypes, os, signal, torch
from torch import nn
from zoo import SequenceModel


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no way back")


class Own(BaseException):
    pass


def deep(n):
    return deep(n + 1)


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.calls = 0

    def forward(self, tokens):
        if self.training and len(tokens) > 5:
            self.calls += 1
            if self.calls > 2:
                {trouble}
        if not self.training and len(tokens) > 60:
            {late}
        return self.table(tokens)
"""
RAISED = {
    "exception": ("raise ValueError('odd rows')", "failed in training: ValueError: odd rows"),
    "assertion": ("assert False", "failed in training: AssertionError"),
    "shape": ("return self.table(tokens)[..., :2]", "failed"),
    "memory": ("raise MemoryError", "failed in training: MemoryError"),
    "device memory": ("raise torch.OutOfMemoryError('CUDA out of memory')", "OutOfMemoryError: CUDA out of memory"),
    "recursion": ("deep(0)", "failed in training: RecursionError"),
    "backward": ("return Broken.apply(self.table(tokens))", "no way back"),
    "exit": ("raise SystemExit(3)", "ended the process with sys.exit(3)"),
    "interrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "generator exit": ("raise GeneratorExit", "failed: GeneratorExit"),
    "what it changed": (
        "os.environ['LEAK'] = '1'; raise ValueError('odd rows')",
        "changes the environment variable LEAK",
    ),
    "own base exception": ("raise Own('x')", "failed: Own"),
}
DEATHS = {
    "os._exit": ("os._exit(7)", "ended with exit code 7 and no exception"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
    "abort": ("os.abort()", "was killed by SIGABRT"),
    "segmentation fault": ("ctypes.string_at(0)", "was killed by SIGSEGV (exit code -11)\n  mine.py, line"),
    "terminated": ("os.kill(os.getpid(), signal.SIGTERM)", "was asked to stop by SIGTERM"),
}
STACKED = RAISED | {
    **{
        kind: (RAISED[kind][0], "cannot be trained as a stack: ")
        for kind in ("exception", "shape", "recursion", "backward")
    }
}
"""Failures that are no exception of the model alone, because vmap raises them."""
WAYS = {
    "sequential": RAISED | DEATHS,
    "side-by-side": RAISED | DEATHS,
    "stacked": STACKED | DEATHS,
}
QUICK = {
    *(("sequential", kind) for kind in ("what it changed", "segmentation fault")),
    *(("side-by-side", kind) for kind in ("exception", "killed")),
    ("stacked", "exception"),
}
CASES = [
    pytest.param(way, kind, marks=[] if (way, kind) in QUICK else pytest.mark.slow)
    for way, kinds in WAYS.items()
    for kind in kinds
]


def run(folder: Path, *words: str) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(start(words, folder), 0)[1])


@pytest.mark.parametrize(("way", "kind"), CASES)
def test_a_failing_model_leaves_all_other_cells_finished(way: str, kind: str, tmp_path: Path) -> None:
    trouble, reason = WAYS[way][kind]
    (tmp_path / "mine.py").write_text(MINE.format(trouble=trouble, late="pass"))
    models, data = "bigram,./mine.py:Mine,bow(hidden=4)", "invented(documents=100)"
    words = ["compare", "--models", models, "--data", data, "--steps", "6",
             "--batch-size", "8", "--seeds", "2", "--threads", "1", "--set", f"execution={way}"]  # fmt: skip
    assert run(tmp_path, *words) == 1
    results = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/result.json")]
    statuses = sorted(result["status"] for result in results)
    assert statuses == ["failed"] * 2 + ["finished"] * 4
    assert [own for result in results if result["status"] == "failed" and reason not in (own := result["reason"])] == []
    (page,) = tmp_path.glob("runs/*/report.html")
    assert "failed under 2 of 2 seeds" in page.read_text()
    (comparison,) = tmp_path.glob("runs/*/comparison.json")
    rows = {row["label"]: row for row in json.loads(comparison.read_text())["models"]}
    assert rows["Mine"]["failed"] == 2
    assert rows["Mine"]["test"] is None
    assert list(rows)[-1] == "Mine"
    assert run(tmp_path, "verify", "runs") == 0


def test_a_run_that_failed_is_tried_again_and_then_finishes(tmp_path: Path) -> None:
    trouble = "if not os.path.exists('ready'): raise OverflowError('not yet')"
    (tmp_path / "mine.py").write_text(MINE.format(trouble=trouble, late="pass"))
    words = ["train", "./mine.py:Mine", "--data", "invented(documents=100)", "--steps", "6", "--batch-size", "8"]
    assert run(tmp_path, *words) == 1
    assert [json.loads(path.read_text())["status"] for path in tmp_path.rglob("result.json")] == ["failed"]
    (tmp_path / "ready").touch()
    assert run(tmp_path, *words) == 0
    assert [json.loads(path.read_text())["status"] for path in tmp_path.rglob("result.json")] == ["finished"]


def test_what_fails_when_stored_weights_are_scored_is_a_failed_run_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(trouble="pass", late="raise ValueError('many rows')"))
    words = ["train", "./mine.py:Mine", "--data", "invented(documents=900)", "--steps", "6", "--batch-size", "8"]
    assert run(tmp_path, *words) == 1
    (result,) = tmp_path.rglob("result.json")
    assert "ValueError: many rows" in json.loads(result.read_text())["reason"]


@pytest.mark.parametrize("way", ["sequential", "side-by-side"])
def test_who_wants_it_stops_at_the_first_failure(way: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(trouble="raise ValueError('odd rows')", late="pass"))
    words = ["compare", "--models", "./mine.py:Mine,bigram", "--data", "invented(documents=100)", "--steps", "2000",
             "--batch-size", "8", "--seeds", "2", "--threads", "1", "--set", f"execution={way}"]  # fmt: skip
    assert run(tmp_path, *words, "--stop-at-first-failure") == 1
    statuses = [json.loads(path.read_text())["status"] for path in tmp_path.rglob("result.json")]
    assert "failed" in statuses
    assert len(statuses) < 4


def test_ctrl_c_in_python_ends_the_call_and_is_no_failure_of_the_model(tmp_path: Path) -> None:
    """The zoo handles no signals there: a KeyboardInterrupt comes from the user."""
    trouble = "os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "mine.py").write_text(MINE.format(trouble=trouble, late="pass"))
    call = "zoo.compare(['./mine.py:Mine', 'bigram'], data='invented(documents=100)', steps=6, seeds=1, batch_size=8, "
    script = f"import zoo\n{call}threads=1, execution='sequential', progress=False)\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))  # fmt: skip
    assert done.stderr.strip().endswith("KeyboardInterrupt")
    assert not list(tmp_path.rglob("result.json"))


def test_a_crash_while_ways_are_timed_is_the_failure_of_its_runs(tmp_path: Path) -> None:
    """No way is chosen for it, and the other model is trained."""
    trouble = "ctypes.string_at(0)"
    (tmp_path / "mine.py").write_text(MINE.format(trouble=trouble, late="pass").replace("self.calls > 2", "True"))
    words = ["compare", "--models", "./mine.py:Mine,bigram", "--data", "invented(documents=100)", "--steps", "6",
             "--batch-size", "8", "--seeds", "1"]  # fmt: skip
    assert run(tmp_path, *words) == 1
    statuses = sorted(json.loads(path.read_text())["status"] for path in tmp_path.rglob("result.json"))
    assert statuses == ["failed", "finished"]


def test_a_model_that_crashes_on_any_tokens_is_refused_in_one_line_before_anything_trains(
    run_process, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        MINE.format(trouble="pass", late="pass").replace(
            "if self.training and len(tokens) > 5:", "if ctypes.string_at(0):"
        )
    )
    done = run_process("train", "./mine.py:Mine")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Model './mine.py:Mine' failed on tokens: its process was killed by SIGSEGV")
    assert "mine.py, line" in done.stderr
    assert "Traceback" not in done.stderr


ALONE = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from torch import nn
from zoo import SequenceModel

pool = ThreadPoolExecutor(1)


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = pool.submit(nn.Embedding, vocab_size, vocab_size).result()

    def forward(self, tokens):
        {first}
        return pool.submit(self.table, tokens).result()
"""


def test_a_model_with_threads_of_its_own_is_trained(run_process, tmp_path: Path) -> None:
    """A forked process would lack the threads and wait for them."""
    (tmp_path / "mine.py").write_text(ALONE.format(first="pass"))
    done = run_process("compare", "--models", "./mine.py:Mine,bigram", "--data", "invented(documents=60)",
                       "--steps", "4", "--seeds", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("first", "told"), [("raise KeyboardInterrupt", "KeyboardInterrupt"),
                                             ("sys.exit('no licence')", "SystemExit: no licence")])  # fmt: skip
def test_a_model_that_ends_the_look_before_training_is_told_with_its_lines(
    first: str, told: str, run_process, tmp_path: Path
) -> None:
    text = ALONE.replace("pool = ThreadPoolExecutor(1)", "").replace("pool.submit(self.table, tokens).result()", "None")
    text = text.replace("pool.submit(nn.Embedding, vocab_size, vocab_size).result()", "None")
    (tmp_path / "mine.py").write_text(text.format(first=first))
    done = run_process("train", "./mine.py:Mine", "--data", "invented(documents=60)", "--steps", "4")
    assert done.returncode == 1
    assert f"failed on tokens: {told}\n  mine.py, line" in done.stderr


def test_a_cell_is_failed_though_what_its_process_forked_lives_on(run_process, tmp_path: Path) -> None:
    """The process that lives on holds the pipe, and the lock of the run."""
    trouble = "os.fork() or __import__('time').sleep(300); os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "mine.py").write_text(MINE.format(trouble=trouble, late="pass"))
    done = run_process("compare", "--models", "bigram,./mine.py:Mine", "--data", "invented(documents=100)",
                       "--steps", "6", "--batch-size", "8", "--seeds", "1", "--threads", "1", "--set",
                       "execution=sequential")  # fmt: skip
    assert done.returncode == 1
    assert "its process was killed by SIGKILL" in done.stderr
    assert "bigram seed 1: test" in done.stderr


def test_a_command_may_be_the_first_process_of_a_container(tmp_path: Path) -> None:
    container = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*container, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no containers here")
    words = ["compare", "--models", "bigram,bow", "--data", "invented(documents=60)", "--steps", "4", "--seeds", "1"]
    command = [*container, sys.executable, str(ROOT / "cli.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
