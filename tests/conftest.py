"""Fixtures of several test modules."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from zoo.experiments.runs import strategy, workers  # noqa: F401  (strategy: before `run_zoo` patches what it takes)
from zoo.experiments.runs.engines import local

ROOT = Path(__file__).resolve().parents[1]

RunZoo = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_finish() -> None:
    """Use one thread for small tensors, and freeze imported objects: each garbage collection of them costs 0.1 s."""
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def zoo_data() -> Path:
    """The directory ZOO_DATA with names.txt and shakespeare.txt; skips the test without it."""
    directory = os.environ.get("ZOO_DATA")
    if not directory or not (Path(directory) / "names.txt").is_file():
        pytest.skip("NEEDS DATA: set ZOO_DATA to a directory with names.txt and shakespeare.txt")
    return Path(directory)


@pytest.fixture
def run_process(tmp_path: Path) -> RunZoo:
    """Run the command line in a process of its own, in an empty directory."""

    def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "80", **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *words],
            capture_output=True,
            text=True,
            cwd=options.pop("cwd", tmp_path),
            env=environment,
            timeout=options.pop("timeout", 120),
            check=False,
            **options,
        )

    return run


@pytest.fixture
def run_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunZoo:
    """Run `main` in an empty directory, in this process, which has imported torch already.

    Cells run in this process too, unless side by side; `run_process` and `tests/faults` test forked cells.
    """

    def run(*words: str, input: str = "") -> subprocess.CompletedProcess[str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
        handlers = {number: signal.getsignal(number) for number in numbers}
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            patch.setenv("COLUMNS", "80")
            for module in (local, workers):
                patch.setattr(module, "can_fork", lambda: False)
            patch.setattr(sys, "argv", ["zoo", *words])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input.encode()), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                with pytest.raises(SystemExit) as end:
                    cli.main()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
            out.flush()
            err.flush()
        code = end.value.code if isinstance(end.value.code, int) else int(bool(end.value.code))
        texts = (stream.buffer.getvalue().decode() for stream in (out, err))
        return subprocess.CompletedProcess(words, code, *texts)

    return run


@pytest.fixture
def zoo_json(run_zoo: RunZoo) -> Callable[..., Any]:
    """Run the command line with --json and return the document; a failure shows standard error."""

    def run(*words: str, **options: Any) -> Any:
        done = run_zoo(*words, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
