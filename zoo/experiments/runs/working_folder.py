"""The hidden folder that a run is written into: locked by the process that works on it, renamed when all is written.

.<name>.partial/lock             held by one process; the kernel releases it when its owner dies
.<name>.partial/checkpoint-*     states that another process goes on from (`zoo.experiments.runs.checkpoints`)
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
    """Another process works on this run."""


@contextmanager
def work_on(directory: Path, *, again: bool = False) -> Iterator[Path]:
    """A folder to write a run into, which becomes `directory` at the end.

    If the work ends early it stays where it has a checkpoint to go on from, and is removed otherwise.

    Args:
        again: do the work although the run is there, and keep that one: a stack that was cut while its runs appeared is
            trained as a whole.

    Raises:
        BusyError: another process works on it, or has just finished it.
        RunError: it cannot be made, or cannot become the directory.
    """
    hidden = directory.with_name(f".{directory.name}.partial")
    with lock(hidden / LOCK):
        for stray in hidden.glob(HALF_WRITTEN):  # of an owner that was killed
            stray.unlink(missing_ok=True)
        for failure in directory.parent.glob(f".{glob.escape(directory.name)}.*.failed"):  # so is this: it has no lock
            shutil.rmtree(failure, ignore_errors=True)
        if is_done(hidden):  # its owner was killed when all was written
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
    """Hold a lock that the kernel releases when this process ends, however it does; its folder is made.

    Raises:
        BusyError: another process holds it, and nobody wants to wait.
        RunError: the file cannot be made.
    """
    handle = _acquire(file, wait=wait)
    try:
        yield
    finally:
        if _is_at(handle, file):
            file.unlink()  # while it is held: whoever waits for it sees that it is gone
        os.close(handle)


def lock_of(path: Path) -> Path:
    """The file that is locked by the process that writes a file which several may write."""
    return path.with_name(f".{path.name}.lock")


def remove_lock(file: Path) -> None:
    """Remove the file of a lock whose owner was killed before it could."""
    if file.is_file():
        with suppress(RunError), lock(file):
            pass


def is_locked(file: Path) -> bool:
    """Whether another process holds a lock; nothing is changed to find out."""
    if fcntl is None or not file.is_file():
        return False
    try:
        handle = os.open(file, os.O_RDWR)
    except OSError:  # on a read-only disk: it may be another machine's, and cannot be removed from here
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
        os.close(handle)  # its owner has just removed it, or its folder has become a run
        if not wait:
            raise BusyError(f"Another process has just worked on '{file.parent}'.")


def _tell_unlocked(file: Path, why: str) -> None:
    """Tell once a process, and so once a command, whose first lock is its own, before any child has one."""
    global _told
    if not _told:
        click.echo(f"'{file.parent}' cannot be locked ({why}): start no second command on the same study.", err=True)
    _told = True


def _is_at(handle: int, file: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except OSError:
        return False


def _publish(hidden: Path, directory: Path) -> None:
    """Give the folder its name; only then is removed what the run needs no more, so that a kill loses nothing."""
    _remove_failure(directory)
    try:
        hidden.rename(directory)
    except OSError as error:
        if not is_done(directory):  # where there are no locks, somebody else's run of the same fingerprint is as good
            raise RunError(f"Cannot write '{directory}': {error.strerror}.") from None
        shutil.rmtree(hidden, ignore_errors=True)
    tidy(directory)


def tidy(directory: Path) -> None:
    """Remove what a finished run needs no more; its owner may have been killed before it did."""
    for path in [*directory.glob(CHECKPOINTS), directory / LOCK]:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def write_failure(directory: Path) -> Iterator[Path]:
    """A folder to write the record of a failure into, which becomes `directory` unless a run is there by now.

    Raises:
        BusyError: another process works on the run.
        RunError: it cannot be made, or cannot become the directory.
    """
    hidden = directory.with_name(f".{directory.name}.partial")
    place = directory.with_name(f".{directory.name}.{os.getpid()}.failed")
    try:
        with lock(hidden / LOCK):
            shutil.rmtree(place, ignore_errors=True)
            if is_done(hidden) and not is_done(directory):  # its owner was killed when all was written
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
            hidden.rmdir()  # where nothing is in it to go on from


def _remove_failure(directory: Path) -> None:
    """Remove a run that failed; it vanishes at once, so that a kill leaves no half of it."""
    if is_run(directory) and not is_done(directory):
        old = directory.with_name(f".{directory.name}.{os.getpid()}.old.failed")
        directory.rename(old)
        shutil.rmtree(old)
