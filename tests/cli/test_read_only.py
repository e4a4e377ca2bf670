"""On a real read-only disk, commands that only read a comparison work, and others say why they cannot."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SETTINGS = ["--data", "invented(documents=60)", "--steps", "2", "--batch-size", "4", "--seeds", "1", "--threads", "1"]
COMPARE = ["compare", "--models", "bigram,bow(hidden=4)", *SETTINGS]
ZOO = shlex.join([sys.executable, str(ROOT / "cli.py")])
STUDY, RUN = '"$(ls -d runs/* | head -n 1)"', '"$(ls -d runs/*/bigram-s* | head -n 1)"'
READ_ONLY = "mount --bind runs runs && mount -o remount,bind,ro runs && "


def run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a shell with runs/ mounted read-only."""
    script = READ_ONLY + line
    command = ["unshare", "--map-root-user", "--mount", "bash", "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "runs").mkdir()
    if run(folder, "true").returncode or not run(folder, "touch runs/file").returncode:
        pytest.skip("nothing can be mounted here")
    done = subprocess.run(f"{ZOO} {shlex.join(COMPARE)}", shell=True, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0
    return folder


def list_files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [shlex.join(COMPARE), f"report {STUDY}", "runs", f"sample {RUN}", f"evaluate {RUN}", "verify runs", "list",
     "clean --dry-run"],
)  # fmt: skip
def test_what_is_finished_can_be_shown_from_a_read_only_disk(words: str, finished: Path) -> None:
    before = list_files(finished)
    done = run(finished, f"{ZOO} {words}")
    assert done.returncode == 0, done.stderr
    assert done.stdout
    told = "cannot be written to: the report in it stays as it is" in done.stderr
    assert told == words.startswith(("compare", "report"))
    assert list_files(finished) == before


@pytest.mark.slow
def test_what_is_not_there_yet_is_one_line(finished: Path) -> None:
    done = run(finished, f"{ZOO} {shlex.join([*COMPARE, '--seeds', '2'])}")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: Cannot write 'runs/")
    assert last.endswith("Read-only file system.")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_finished_search_can_be_shown_and_one_that_is_not_there_is_one_line(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    search = [*COMPARE, "--tune", "2"]
    done = subprocess.run([*shlex.split(ZOO), *search], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    before = list_files(tmp_path)
    shown = run(tmp_path, f"{ZOO} {shlex.join(search)}")
    assert shown.returncode == 0, shown.stderr
    assert "best settings" in shown.stdout
    other = run(tmp_path, f"{ZOO} {shlex.join([*search, '--set', 'prune=false'])}")
    assert other.returncode == 1
    assert "cannot be written to" in other.stderr
    assert "Traceback" not in other.stderr
    assert list_files(tmp_path) == before
