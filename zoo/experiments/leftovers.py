"""Find and remove what is left of work that was cut, and what can be made again."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from zoo.data.download import cache_directory
from zoo.errors import RunError
from zoo.experiments.records.run import is_run
from zoo.experiments.runs.checkpoints import STATE
from zoo.experiments.runs.working_folder import CHECKPOINTS, LOCK, BusyError, is_locked, lock


class Leftover(NamedTuple):
    """A file or folder that nobody needs, what it is, and its bytes."""

    path: Path
    what: str
    size: int


def find_leftovers(out: Path) -> list[Leftover]:
    """What can be removed below a folder of runs, and in the cache; nothing that a process works on.

    Raises:
        RunError: there is no such folder.
    """
    if not out.is_dir():
        raise RunError(f"'{out}' is no folder of runs.")
    return [Leftover(path, what, _size(path)) for path, what in [*_find_in_runs(out), *_find_in_cache()]]


def remove(leftovers: Sequence[Leftover]) -> None:
    """Remove them; what is gone by now, or worked on, is passed over."""
    for path, _, _ in leftovers:
        if path.is_dir() and path.name.endswith(".partial"):
            with suppress(BusyError), lock(path / LOCK):
                shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _find_in_runs(out: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(out.rglob("*")):
        if (
            path.is_dir()
            and path.name.startswith(".")
            and path.name.endswith(".partial")
            and not is_locked(path / LOCK)
        ):
            started = any(path.glob(CHECKPOINTS))
            yield path, "a run that was cut, with a checkpoint to go on from" if started else "a run that was cut"
        elif path.is_dir() and path.name.startswith(".") and path.name.endswith(".failed"):
            yield path, "a failure that was being written"
        elif path.is_file() and is_run(path.parent) and path.match(CHECKPOINTS):
            yield path, "a checkpoint of a finished run"
        elif path.is_file() and is_run(path.parent) and path.match(STATE):
            yield path, "the state of a finished run, which a longer one would go on from"
        elif path.is_file() and path.name.startswith(".") and path.name.endswith(".partial"):
            within = any(parent.name.endswith(".partial") for parent in path.parents)
            yield from [] if within else [(path, "a file that was being written")]


def _find_in_cache() -> Iterator[tuple[Path, str]]:
    prepared = cache_directory() / "prepared"
    for path in sorted(prepared.iterdir()) if prepared.is_dir() else []:
        yield path, "tokens of a large text, made again when it is used"


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
