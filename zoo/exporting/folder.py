"""Write a new folder whole or not at all.

.<name>.lock             held by the one process that writes the folder
.<name>.partial/lock     held by it too, so that `clean` leaves the unfinished folder
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import RunError, UsageError
from zoo.experiments.runs.working_folder import LOCK, BusyError, lock, lock_of


@contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it becomes `place` at the end, or is removed if the work ends early.

    Raises:
        UsageError: the place exists.
        BusyError: another process writes it.
        RunError: it cannot be written.
    """
    hidden = place.with_name(f".{place.name}.partial")
    missing = [folder for folder in place.parents if not folder.exists()]
    try:
        with _lock(place), lock(hidden / LOCK):
            _empty(hidden)
            require_new(place)
            try:
                yield hidden
                (hidden / LOCK).unlink()
                hidden.rename(place)
            except OSError as error:
                raise RunError(f"Cannot write '{place}': {error.strerror or error}.") from None
            finally:
                shutil.rmtree(hidden, ignore_errors=True)
    finally:
        for folder in missing:
            with suppress(OSError):  # fails unless nothing was written
                folder.rmdir()


def require_new(place: Path) -> None:
    """Check that nothing is at a path.

    Raises:
        UsageError: something is.
    """
    if place.exists() or place.is_symlink():
        raise UsageError(f"'{place}' exists: give another --out, or remove it.")


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    try:
        with lock(lock_of(place)):
            yield
    except BusyError:
        raise BusyError(f"Another process writes '{place}'.") from None


def _empty(hidden: Path) -> None:
    """Remove what a killed process left in an unfinished folder."""
    for path in hidden.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
