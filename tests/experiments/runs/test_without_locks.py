"""A file system without locks gives one notice, and the work is done."""

import errno
import os

import pytest

from tests.conftest import RunZoo
from zoo.experiments.runs import working_folder

COMPARE = ["compare", "--models", "bigram,bow(hidden=4)", "--data", "invented(documents=60)", "--steps", "2",
           "--batch-size", "4", "--seeds", "1", "--threads", "1", "--set", "execution=sequential"]  # fmt: skip


class NoLocks:
    LOCK_EX, LOCK_NB = 2, 4

    @staticmethod
    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize(("locks", "why"), [(NoLocks, "No locks available"), (None, "this system has no locks")])
def test_a_place_without_locks_is_told_once_a_command(
    locks: type[NoLocks] | None, why: str, run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_folder, "fcntl", locks)
    monkeypatch.setattr(working_folder, "_told", False)
    done = run_zoo(*COMPARE)
    assert done.returncode == 0
    assert done.stderr.count(f"cannot be locked ({why})") == 1


def test_locks_that_are_there_are_no_news(run_zoo: RunZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_folder, "_told", False)
    assert "cannot be locked" not in run_zoo(*COMPARE).stderr
