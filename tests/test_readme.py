"""The examples of README, tour and the pages on traces and tasks run unchanged, with a budget of three steps."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/tour.md", "docs/trace.md", "docs/tasks.md"))
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGES, re.DOTALL)
SHELL = list(dict.fromkeys(text for language, text in BLOCKS if language == "sh" and "python cli.py" in text))
PYTHON = next(text for language, text in BLOCKS if language == "python")
FILES = {text.split()[1]: text for language, text in BLOCKS if language == "python" and re.match(r"# \w+\.py\n", text)}
"""Name of a file -> its text, of blocks that begin with a name."""

LONG = (
    "--data names",
    "--data 'recall",
    "--data 'parity",
    "--match",
    "--seeds 5",
    "--dry-run",
    "./mine.py:Mine",
    "cat *.md",
)
"""Words of slow examples, which need data, many models, or ten seconds."""

SHORTENED = """#!/bin/sh
# python, but a training stops after three steps, on few documents
script=$1 command=$2
shift 2
case "$*" in
  *--flops*) budget="--flops 10M" ;;
  *) budget="--steps 3" ;;
esac
case "$*" in
  *--data* | *studies/*) data="" ;;
  *) data="--data invented(documents=300)" ;;
esac
case $command in
  train) set -- "$@" $data $budget ;;
  compare | ablate) set -- "$@" $data $budget --seeds 1 ;;
esac
exec {python} {root}/$script $command "$@"
"""


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=pytest.mark.slow if any(word in block for word in LONG) else ()) for block in SHELL],
    ids=[block.splitlines()[0] for block in SHELL],
)
def test_a_shell_example_of_the_readme_and_of_the_tour_runs(
    block: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "--data names" in block:
        request.getfixturevalue("zoo_data")
    for folder in ("studies", "examples"):
        if f"{folder}/" in block:
            (tmp_path / folder).symlink_to(ROOT / folder)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(SHORTENED.format(python=sys.executable, root=ROOT))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "mine.py").write_text(PYTHON)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "notes.md").write_text("It was a dark and stormy night.\n\nThe end.\n" * 20)
    if "cli.py runs" in block:  # it lists runs of earlier examples
        block = f"python cli.py train gru\n{block}"
    environment = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", block],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


COMMANDS = [
    "list",
    "describe",
    "check",
    "new",
    "train",
    "evaluate",
    "sample",
    "compare",
    "runs",
    "verify",
    "judge",
    "trace",
    "ablate",
]


def test_there_is_an_example_of_every_command() -> None:
    text = "\n".join(SHELL)
    assert all(f"cli.py {command}" in text for command in COMMANDS)
