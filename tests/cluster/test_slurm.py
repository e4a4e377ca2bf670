"""The script for Slurm, executed with stand-ins of `srun` and `scontrol` that run everything on this machine."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import write_words
from tests.conftest import ROOT

SCRIPT = ROOT / "examples" / "cluster" / "slurm.sh"
SRUN = """#!/bin/sh
while :; do
    case "$1" in
        --nodes | --ntasks | --nodelist) shift 2 ;;
        --overlap) shift ;;
        *) break ;;
    esac
done
exec "$@"
"""
SCONTROL = """#!/bin/sh
[ "$*" = "show hostnames node-[a-b]" ] && printf 'node-a\\nnode-b\\n'
"""
HOSTNAME = """#!/bin/sh
echo 127.0.0.1 ::1
"""


def test_the_script_has_no_fault_that_shellcheck_knows() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert shellcheck
    done = subprocess.run([shellcheck, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment that Slurm gives to a script, on an allocation of two nodes of a CPU each."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("hostname", HOSTNAME)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        **os.environ,
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(port),
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_CPUS_PER_TASK": "1",
        "RAY_PORT": str(port),
        "ZOO": f"{sys.executable} {ROOT / 'cli.py'}",
    }


@pytest.mark.slow
def test_the_script_runs_a_study_on_both_nodes_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    write_words(tmp_path / "words.txt", 200)
    words = [
        "compare",
        "--models",
        "bigram,mlp",
        "--data",
        "words.txt",
        "--steps",
        "5",
        "--seeds",
        "2",
        "--threads",
        "1",
    ]
    done = subprocess.run(
        [str(SCRIPT), *words], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "test, valid: nats per token, mean of 2 seeds" in done.stdout
    assert len(list(tmp_path.glob("runs/*/*/result.json"))) == 4
    assert not Path(f"/tmp/zoo-ray-{environment['SLURM_JOB_ID']}").exists()
    with socket.socket() as closed:
        assert closed.connect_ex(("127.0.0.1", int(environment["RAY_PORT"]))) != 0
