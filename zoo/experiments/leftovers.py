"""Find and remove files of interrupted work, and files that can be rebuilt."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from zoo.cache import cache_directory
from zoo.errors import RunError
from zoo.experiments.records.run import is_run
from zoo.experiments.runs.checkpoints import STATE
from zoo.experiments.runs.working_folder import CHECKPOINTS, LOCK, BusyError, is_locked, lock

LOCK_SUFFIX = ".lock"
PREPARED, WRITTEN = "prepared", ".partial-"
"""Folder of texts in the cache; prefix of names of those being written."""
LONG_AGO = 3600.0
"""Seconds without a write after which an unfinished text in the cache counts as abandoned; it has no lock."""


class Leftover(NamedTuple):
    """A removable file or folder, a description of it, and its bytes."""

    path: Path
    what: str
    size: int


def find_leftovers(out: Path) -> list[Leftover]:
    """Find what can be removed below a folder of runs and in the cache, except what a process is using.

    Raises:
        RunError: the folder does not exist.
    """
    if not out.is_dir():
        raise RunError(f"'{out}' is not a folder of runs.")
    return [Leftover(path, what, _size(path)) for path, what in [*_find_in_runs(out), *_find_in_cache()]]


def remove(leftovers: Sequence[Leftover]) -> None:
    """Remove leftovers, except those that are gone or in use by now."""
    for path, _, _ in leftovers:
        if path.is_dir() and path.name.endswith(".partial"):
            with suppress(BusyError), lock(path / LOCK):
                shutil.rmtree(path, ignore_errors=True)
        elif _is_worked_on(path):
            continue
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _find_in_runs(out: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(out.rglob("*")):
        if what := _describe(path):
            within = any(parent.name.endswith((".partial", ".failed")) for parent in path.relative_to(out).parents)
            yield from [] if within or _is_worked_on(path) else [(path, what)]


def _describe(path: Path) -> str:
    """Describe a leftover; empty for any other path."""
    hidden, folder = path.name.startswith("."), path.is_dir()
    if hidden and folder and path.suffix == ".partial":
        started = any(path.glob(CHECKPOINTS))
        return "an interrupted run, with a checkpoint to continue from" if started else "an interrupted run"
    if hidden and folder and path.suffix == ".failed":
        return "a failure that was being written"
    if hidden and path.suffix == ".partial":
        return "a file that was being written"
    if hidden and path.suffix == LOCK_SUFFIX:
        return "a lock that nobody holds"
    if not folder and is_run(path.parent):
        if path.match(CHECKPOINTS):
            return "a checkpoint of a finished run"
        if path.match(STATE):
            return "the state of a finished run, from which a longer run would continue"
        if path.name == LOCK:
            return "a lock that nobody holds"
    return ""


def _is_worked_on(path: Path) -> bool:
    """Return whether a process holds the lock of a leftover, or has recently written an unfinished text."""
    if path.parent.name == PREPARED or path.parent == cache_directory():
        newest = max((part.stat().st_mtime for part in path.rglob("*")), default=path.stat().st_mtime)
        return path.name.startswith(WRITTEN) and time.time() - newest < LONG_AGO
    if path.suffix == ".failed":
        run = path.name.removesuffix(".failed").removesuffix(".old").rpartition(".")[0]
        return is_locked(path.with_name(f"{run}.partial") / LOCK)
    return is_locked(path / LOCK if path.is_dir() else path)


def _find_in_cache() -> Iterator[tuple[Path, str]]:
    prepared = cache_directory() / PREPARED
    for path in [*sorted(cache_directory().glob(f"{WRITTEN}*")), *sorted(prepared.glob("*"))]:
        half = path.name.startswith(WRITTEN)
        if not _is_worked_on(path):
            yield (
                path,
                "a text that was being written" if half else "tokens of a large text, computed again when needed",
            )


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
