"""The hidden folder of an unfinished run: locked by the process that executes it, renamed when complete.

.<name>.partial/lock             held by one process; the kernel releases it when its owner dies
.<name>.partial/checkpoint-*     states from which another process continues (`zoo.experiments.runs.checkpoints`)
"""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from zoo.errors import RunError
from zoo.experiments.records.run import is_done, is_run

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
CHECKPOINTS = "checkpoint-*"
HALF_WRITTEN = ".*.partial"

_told = False


class BusyError(RunError):
    """Another process executes this run, or has just finished it."""


@contextmanager
def work_on(directory: Path, *, again: bool = False) -> Iterator[Path]:
    """Yield a folder to write a run into; it becomes `directory` at the end.

    If the work ends early, the folder stays if it has a checkpoint, and is removed otherwise.

    Args:
        again: whether to do the work even if the run exists, and keep the existing one: a stack that was interrupted
            while writing its runs is trained again as a whole.

    Raises:
        BusyError: another process executes the run, or has just finished it.
        RunError: the folder cannot be made, or cannot be renamed.
    """
    hidden = directory.with_name(f".{directory.name}.partial")
    with lock(hidden / LOCK):
        for stray in hidden.glob(HALF_WRITTEN):  # its owner was killed
            stray.unlink(missing_ok=True)
        for failure in directory.parent.glob(f".{glob.escape(directory.name)}.*.failed"):  # likewise: it has no lock
            shutil.rmtree(failure, ignore_errors=True)
        if is_done(hidden):  # its owner was killed between the last file and the rename
            _publish(hidden, directory)
        elif is_done(directory) and not again:
            shutil.rmtree(hidden)
        if is_done(directory) and not again:
            raise BusyError(f"Another process has finished '{directory}'.")
        try:
            hidden.mkdir(exist_ok=True)
            yield hidden
            if is_done(directory):
                shutil.rmtree(hidden)
            else:
                _publish(hidden, directory)
        finally:
            if hidden.is_dir() and not any(hidden.glob(CHECKPOINTS)):
                shutil.rmtree(hidden, ignore_errors=True)


@contextmanager
def lock(file: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock, which the kernel releases whenever this process ends; create its folder.

    Args:
        file: the file to lock, removed at the end.
        wait: whether to wait for another process that holds it.

    Raises:
        BusyError: another process holds it, and `wait` is False.
        RunError: the file cannot be created.
    """
    handle = _acquire(file, wait=wait)
    try:
        yield
    finally:
        if _is_at(handle, file):
            file.unlink()  # while locked, so that waiting processes notice
        os.close(handle)


def lock_of(path: Path) -> Path:
    """Return the lock file of a file that several processes may write."""
    return path.with_name(f".{path.name}.lock")


def remove_lock(file: Path) -> None:
    """Remove a lock file whose owner was killed."""
    if file.is_file():
        with suppress(RunError), lock(file):
            pass


def is_locked(file: Path) -> bool:
    """Return whether another process holds a lock, without changing files."""
    if fcntl is None or not file.is_file():
        return False
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:  # read-only disk: another machine may hold it, and it cannot be removed from here
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _acquire(file: Path, *, wait: bool) -> int:
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"Cannot write '{file}': {error.strerror}.") from None
        if fcntl is None:
            _tell_unlocked(file, "this system has no locks")
            return handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            raise BusyError(f"Another process works on '{file.parent}'.") from None
        except OSError as error:
            _tell_unlocked(file, error.strerror or str(error))
            return handle
        if _is_at(handle, file):
            return handle
        os.close(handle)  # its owner has just removed it or renamed its folder
        if not wait:
            raise BusyError(f"Another process has just worked on '{file.parent}'.")


def _tell_unlocked(file: Path, why: str) -> None:
    """Warn once per process; that is once per command, because it takes a lock before it forks."""
    global _told
    if not _told:
        click.echo(f"'{file.parent}' cannot be locked ({why}): start no second command on the same study.", err=True)
    _told = True


def _is_at(handle: int, file: Path) -> bool:
    """Return whether a path still refers to the open file."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except OSError:
        return False


def _publish(hidden: Path, directory: Path) -> None:
    """Rename the folder, then remove what the finished run does not need; in this order a kill loses nothing."""
    _remove_failure(directory)
    try:
        hidden.rename(directory)
    except OSError as error:
        if not is_done(directory):  # without locks another process may have finished the same run
            raise RunError(f"Cannot write '{directory}': {error.strerror}.") from None
        shutil.rmtree(hidden, ignore_errors=True)
    tidy(directory)


def tidy(directory: Path) -> None:
    """Remove checkpoints and lock of a finished run, which its owner leaves if it is killed."""
    for path in [*directory.glob(CHECKPOINTS), directory / LOCK]:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def write_failure(directory: Path) -> Iterator[Path]:
    """Yield a folder to write the record of a failure into; it becomes `directory` unless a run exists by then.

    Raises:
        BusyError: another process executes the run.
        RunError: the folder cannot be made, or cannot be renamed.
    """
    hidden = directory.with_name(f".{directory.name}.partial")
    place = directory.with_name(f".{directory.name}.{os.getpid()}.failed")
    try:
        with lock(hidden / LOCK):
            shutil.rmtree(place, ignore_errors=True)
            if is_done(hidden) and not is_done(directory):  # its owner was killed between the last file and the rename
                _publish(hidden, directory)
            try:
                place.mkdir(parents=True)
                yield place
                if not is_done(directory):
                    _remove_failure(directory)
                    place.rename(directory)
            except OSError as error:
                raise RunError(f"Cannot write '{directory}': {error.strerror or error}.") from None
            finally:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        with suppress(OSError):
            hidden.rmdir()  # fails if it has checkpoints


def _remove_failure(directory: Path) -> None:
    """Remove a failed run: rename it first, so that a kill leaves no part of it under its name."""
    if is_run(directory) and not is_done(directory):
        old = directory.with_name(f".{directory.name}.{os.getpid()}.old.failed")
        directory.rename(old)
        shutil.rmtree(old)
