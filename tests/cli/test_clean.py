"""`clean` removes what is left over, shows it before, and touches nothing that anybody needs."""

import os
from pathlib import Path

import pytest

from zoo.experiments.leftovers import find_leftovers, remove
from zoo.experiments.runs.working_folder import lock


@pytest.fixture
def left(run_zoo, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study with a finished run, and beside it what kills leave."""
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path / "cache"))
    assert run_zoo("train", "bigram", "--data", "words.txt", "--steps", "2").returncode == 0
    (study,) = (tmp_path / "runs").iterdir()
    (run,) = (path for path in study.iterdir() if path.is_dir())
    for path in (
        study / ".cut-seed1-0.partial" / "checkpoint-000000000007-0.safetensors",
        study / ".begun-seed1-0.partial" / "lock",
        study / ".gone-seed1-0.failed" / "config.json",
        study / ".study-0.json.1.partial",
        run / "checkpoint-000000000007-0.safetensors",
        tmp_path / "cache" / "prepared" / "0" / "tokens",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return run


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_would_be_removed_is_shown_and_nothing_is(run_zoo, left: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    done = run_zoo("clean", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "6.0 kB would be removed."
    assert len(done.stdout.splitlines()) == 7
    assert files(tmp_path) == before


def test_what_is_left_over_is_removed_and_the_run_stays(run_zoo, left: Path, tmp_path: Path) -> None:
    assert run_zoo("clean", "--yes").returncode == 0
    assert not [name for name in files(tmp_path) if "/." in name or "checkpoint" in name or "cache/" in name]
    assert run_zoo("verify", str(left.relative_to(tmp_path))).returncode == 0
    assert run_zoo("clean").stdout == "Nothing is left over.\n"


def test_it_asks_and_takes_no_for_an_answer(run_zoo, left: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    assert "Remove 6.0 kB? [y/N]" in run_zoo("clean", input="n\n").stdout
    assert files(tmp_path) == before


def test_what_another_process_works_on_stays(run_zoo, left: Path, tmp_path: Path) -> None:
    busy = left.parent / ".busy-seed1-0.partial"
    ready, wait = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        with lock(busy / "lock"):
            os.write(ready[1], b"x")
            os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        assert "busy" not in run_zoo("clean", "--yes").stdout
        assert busy.is_dir()
    finally:
        os.write(wait[1], b"x")
        os.waitpid(pid, 0)


def test_what_is_taken_up_while_it_asks_stays(left: Path) -> None:
    found = find_leftovers(left.parents[1])
    cut = left.parent / ".cut-seed1-0.partial"
    ready, wait = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        with lock(cut / "lock"):
            os.write(ready[1], b"x")
            os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        remove(found)
        assert list(cut.glob("checkpoint-*"))
        assert not (left.parent / ".begun-seed1-0.partial").exists()
    finally:
        os.write(wait[1], b"x")
        os.waitpid(pid, 0)


def test_no_folder_of_runs_is_one_line(run_zoo) -> None:
    done = run_zoo("clean", "--out", "nowhere")
    assert (done.returncode, done.stderr) == (1, "Error: 'nowhere' is no folder of runs.\n")
