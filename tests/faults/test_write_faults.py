"""A disk that fails at any write gives one line with the file's name and exit code 1, and loses no existing file."""

import errno
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KINDS = {"full": errno.ENOSPC, "denied": errno.EACCES, "broken": errno.EIO}
COMPARE = ["compare", "--models", "bigram,bow(hidden=4)", "--data", "words.txt", "--batch-size", "8", "--steps", "3",
           "--seeds", "1", "--threads", "1", "--set", "execution=sequential"]  # fmt: skip
CHECKPOINTED = [*COMPARE, "--checkpoint-every", "0.000001"]


class Disk:
    """A disk that counts the files opened for writing below a folder, and fails at one of them."""

    def __init__(self, folder: Path, fails_at: int, kind: str) -> None:
        self.folder, self.fails_at, self.kind = folder, fails_at, kind
        self._open, self._log = io.open, os.open(folder.parent / "opened", os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    @property
    def opened(self) -> list[str]:
        """Names of the files, in the order in which the processes of the command opened them."""
        return os.pread(self._log, 1_000_000, 0).decode().splitlines()

    def open(self, file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        inside = not isinstance(file, int) and Path(file).resolve().is_relative_to(self.folder)
        if not inside or not set(mode) & set("wxa+"):
            return self._open(file, mode, *rest, **options)
        os.write(self._log, f"{Path(file).name}\n".encode())
        if len(self.opened) != self.fails_at:
            return self._open(file, mode, *rest, **options)
        if self.kind == "short":
            opened = self._open(file, mode, *rest, **options)
            write = opened.write

            def fail(data: Any) -> int:
                write(data[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            return Proxy(opened, fail)
        raise OSError(KINDS[self.kind], os.strerror(KINDS[self.kind]), str(file))


class Proxy:
    """A file with one method replaced."""

    def __init__(self, file: Any, write: Callable[[Any], int]) -> None:
        self._file, self.write = file, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


@pytest.fixture
def run_on(run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on a disk that fails at its n-th file."""

    def run(fails_at: int, kind: str, *words: str):
        disk = Disk((tmp_path / "runs").resolve(), fails_at, kind)
        with monkeypatch.context() as patch:
            patch.setattr(io, "open", disk.open)
            return run_zoo(*words), disk

    return run


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "every"),
    [("full", 6), ("short", 5), *(pytest.param(kind, 1, marks=SLOW) for kind in ("full", "short", "denied", "broken"))],
)
def test_a_write_that_fails_is_one_line_and_the_same_command_goes_on(
    kind: str, every: int, run_on, run_zoo, words, tmp_path: Path
) -> None:
    done, disk = run_on(0, kind, *COMPARE)
    assert done.returncode == 0, done.stderr
    total, expected = len(disk.opened), losses(tmp_path)
    assert {"result.json", "report.html"} <= {re.sub(r"^\.|\.\d+\.partial$", "", name) for name in disk.opened}
    for fails_at in range(1, total + 1, every):
        (tmp_path / "runs").rename(tmp_path / f"runs {fails_at}")
        done, disk = run_on(fails_at, kind, *COMPARE)
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 1, (fails_at, disk.opened[-1])
        assert last.startswith("Error: "), (fails_at, disk.opened[-1], last)
        assert "Traceback" not in done.stderr
        name = re.sub(r"^\.|\.\d+\.partial$", "", disk.opened[-1])
        assert name in last, (fails_at, last)
        assert run_zoo("runs").returncode == 0
        assert run_zoo(*COMPARE).returncode == 0
        assert losses(tmp_path) == expected
        assert not list((tmp_path / "runs").rglob("*.partial"))


class System:
    """Counts system calls below a folder that create, open, sync or rename without `open`, and fails at one of them."""

    def __init__(self, folder: Path, fails_at: int, kind: str) -> None:
        self.folder, self.fails_at, self.kind = folder, fails_at, kind
        self.calls: list[tuple[str, Path]] = []

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("open", "mkdir", "fsync", "replace", "rename"):
            patch.setattr(os, name, self._failing(name, getattr(os, name)))

    def _failing(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def fail_or_call(first: Any, *rest: Any, **options: Any) -> Any:
            path = Path(os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else os.path.abspath(first))
            reads = name == "open" and not rest[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            nothing = reads or (name == "mkdir" and path.is_dir())
            if path.is_relative_to(self.folder) and not nothing:
                self.calls.append((name, Path(os.path.abspath(rest[0])) if name in ("replace", "rename") else path))
                if len(self.calls) == self.fails_at:
                    raise OSError(KINDS[self.kind], os.strerror(KINDS[self.kind]), str(path))
            return call(first, *rest, **options)

        return fail_or_call


@pytest.mark.parametrize(
    ("kind", "every"), [("denied", 45), *(pytest.param(*case, marks=SLOW) for case in (("full", 9), ("broken", 10)))]
)
def test_a_call_of_the_system_that_fails_is_one_line_and_the_same_command_goes_on(
    kind: str, every: int, run_zoo, words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_on(fails_at: int) -> tuple[Any, System]:
        system = System((tmp_path / "runs").resolve(), fails_at, kind)
        with monkeypatch.context() as patch:
            system.patch(patch)
            return run_zoo(*CHECKPOINTED), system

    done, system = run_on(0)
    assert done.returncode == 0, done.stderr
    assert {name for name, _ in system.calls} == {"open", "mkdir", "fsync", "replace", "rename"}
    assert any(path.name.startswith("checkpoint-") for _, path in system.calls)
    expected = losses(tmp_path)
    for fails_at in range(1, len(system.calls) + 1, every):
        (tmp_path / "runs").rename(tmp_path / f"runs {fails_at}")
        done, broken = run_on(fails_at)
        where, last = (fails_at, *broken.calls[fails_at - 1]), (done.stderr.strip().splitlines() or [""])[-1]
        assert done.returncode == 1, (where, done.stderr)
        assert last.startswith("Error: "), (where, last)
        assert "Traceback" not in done.stderr
        name = re.sub(r"^\.|\.\d+\.partial$", "", where[2].name)
        assert name in last, (where, last)
        assert run_zoo(*CHECKPOINTED).returncode == 0, where
        assert losses(tmp_path) == expected
        assert not list((tmp_path / "runs").rglob(".*")), where


def losses(folder: Path) -> list[dict[int, float]]:
    (comparison,) = (folder / "runs").rglob("comparison.json")
    return [row["losses"] for row in json.loads(comparison.read_text())["models"]]
