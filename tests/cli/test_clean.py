"""`clean` lists leftovers, then removes them, and nothing that is needed."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoo.experiments.leftovers import find_leftovers, remove
from zoo.experiments.runs.working_folder import lock


@pytest.fixture
def left(run_zoo, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study with a finished run and leftovers of killed processes."""
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


@contextmanager
def worked_on(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, as another process would."""
    ready, wait = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        with lock(folder / "lock"):
            os.write(ready[1], b"x")
            os.read(wait[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        yield
    finally:
        os.write(wait[1], b"x")
        os.waitpid(pid, 0)


def test_what_another_process_works_on_stays(run_zoo, left: Path, tmp_path: Path) -> None:
    busy = left.parent / ".busy-seed1-0.partial"
    with worked_on(busy):
        assert "busy" not in run_zoo("clean", "--yes").stdout
        assert busy.is_dir()


def test_what_is_taken_up_while_it_asks_stays(left: Path) -> None:
    found = find_leftovers(left.parents[1])
    cut = left.parent / ".cut-seed1-0.partial"
    with worked_on(cut):
        remove(found)
        assert list(cut.glob("checkpoint-*"))
        assert not (left.parent / ".begun-seed1-0.partial").exists()


def test_no_folder_of_runs_is_one_line(run_zoo) -> None:
    done = run_zoo("clean", "--out", "nowhere")
    assert (done.returncode, done.stderr) == (1, "Error: 'nowhere' is not a folder of runs.\n")


def test_every_kind_of_leftover_is_found(left: Path, tmp_path: Path) -> None:
    study, cache = left.parent, tmp_path / "cache"
    for path in (
        study / ".gone-seed1-0.7.old.failed" / ".config.json.7.partial",
        study / "figures" / ".losses.svg.7.partial",
        study / ".ways.json.lock",
        left / "lock",
        cache / "prepared" / ".partial-0" / "text" / "tokens",
        cache / ".partial-1" / "names.txt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    early = {found.path.name for found in find_leftovers(study.parent)}
    assert not early & {".partial-0", ".partial-1"}, "somebody may be writing them"
    for path in [*cache.rglob("*")]:
        os.utime(path, (0, 0))
    found = find_leftovers(study.parent)
    assert {one.path.name for one in found} - early == {".partial-0", ".partial-1"}
    assert {".gone-seed1-0.7.old.failed", ".losses.svg.7.partial", ".ways.json.lock", "lock"} <= early
    remove(found)
    assert find_leftovers(study.parent) == []


@pytest.mark.parametrize(
    ("name", "locked"),
    [
        (".busy.7.failed", ".busy.partial/lock"),
        (".busy.7.old.failed", ".busy.partial/lock"),
        (".study-1.json.7.partial", ".study-1.json.7.partial"),
        (".ways.json.lock", ".ways.json.lock"),
    ],
)
def test_what_another_process_is_writing_stays(name: str, locked: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if name.endswith(".failed") else path.write_text("")
    (tmp_path / locked).parent.mkdir(exist_ok=True)
    found = [one for one in find_leftovers(tmp_path) if one.path == path]
    assert found, "nobody holds its lock yet"
    handle = os.open(tmp_path / locked, os.O_RDWR | os.O_CREAT)  # a flock of another open file, as of a process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert path not in {one.path for one in find_leftovers(tmp_path)}
        remove(found)
        assert path.exists()
    finally:
        os.close(handle)
    remove(found)
    assert not path.exists()
