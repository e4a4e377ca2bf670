"""Fixtures that several tests share."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

RunZoo = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def zoo_data() -> Path:
    """The directory with names.txt and shakespeare.txt, from ZOO_DATA; without it the test is skipped, loudly."""
    directory = os.environ.get("ZOO_DATA")
    if not directory or not (Path(directory) / "names.txt").is_file():
        pytest.skip("NEEDS DATA: set ZOO_DATA to a directory with names.txt and shakespeare.txt")
    return Path(directory)


@pytest.fixture
def run_zoo(tmp_path: Path) -> RunZoo:
    """The command line as a user runs it: a process of its own, in an empty directory, one thread."""

    def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", **options.pop("env", {})}
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
def zoo_json(run_zoo: RunZoo) -> Callable[..., Any]:
    """The same, with --json: the document that it prints; a failure shows what was said."""

    def run(*words: str, **options: Any) -> Any:
        done = run_zoo(*words, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
