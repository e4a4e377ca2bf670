"""Run tasks in forked processes, one after the other or side by side.

A crash ends only its own process. Two small trainings on two cores with a thread each also get more done than one on
two threads, which synchronise at every operation. Forked processes have models defined in a notebook, and the corpus.
"""

import ctypes
import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import torch

from zoo import interrupt
from zoo.errors import RunError

News = TypeVar("News")
Outcome = TypeVar("Outcome")
Task = Callable[[Callable[[News], None]], Outcome]
"""A function that sends news through its argument and returns an outcome; both are pickled."""

PR_SET_PDEATHSIG = 1
OMP_PAUSE_HARD = 2
PATIENCE = 5.0
"""Seconds that an interrupted process has to clean up."""


def count_cores() -> int:
    """Return the number of cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Return whether this process can fork: on Linux, without CUDA, Ray, and threads that a model started."""
    if sys.platform != "linux" or torch.cuda.is_available() or is_in_cluster():
        return False
    return not interrupt.find_new_threads()


def is_in_cluster() -> bool:
    """Return whether this process has joined a Ray cluster, whose threads hold locks that a forked child would keep."""
    ray = sys.modules.get("ray")
    return ray is not None and getattr(ray, "is_initialized", bool)()


def release_threads() -> bool:
    """End torch's pool of OpenMP threads, which restarts on demand; return whether it ended.

    With libgomp, a forked child that inherits a pool waits forever for threads that were not forked.
    """
    try:
        return ctypes.CDLL(None).omp_pause_resource_all(OMP_PAUSE_HARD) == 0
    except AttributeError:
        return False


@dataclass(frozen=True)
class Death:
    """How a process ended without an outcome or an exception."""

    reason: str
    lines: str
    """Python traceback by faulthandler; "" if the process was killed or exited."""
    killed: bool = False
    """Whether SIGKILL ended it, which comes from outside."""


class DeathError(RunError):
    """A process ended without an outcome or an exception."""

    def __init__(self, death: Death) -> None:
        super().__init__(f"A process {death.reason}.")
        self.death = death


@dataclass(frozen=True)
class _Child(Generic[News]):
    number: int
    process: BaseProcess
    pipe: Connection
    last_lines: IO[str]
    """File to which faulthandler writes the child's traceback when it crashes."""
    ended: int
    """Descriptor that is ready when the child has ended, even if a process that it forked still holds the pipe."""


def run_in_processes(
    tasks: Sequence[Task[News, Outcome]],
    *,
    at_once: int,
    on_news: Callable[[int, News], None] = lambda number, news: None,
    on_outcome: Callable[[int, Outcome], None] = lambda number, outcome: None,
    on_death: Callable[[int, Death], None] | None = None,
) -> list[Outcome]:
    """Run tasks in processes, each on one thread unless it sets more; return their outcomes, in order.

    Args:
        tasks: the tasks.
        at_once: maximum number of processes at a time.
        on_news: called in this process with the number of a task and its news.
        on_outcome: called in this process with the number of a task and its outcome.
        on_death: called in this process if a task's process dies; the task then has no outcome.

    Raises:
        Exception: what a task raised, after the others were interrupted.
        DeathError: a process died, and there is no `on_death`.
    """
    waiting, running = list(range(len(tasks)))[::-1], dict[Connection, _Child[News]]()
    outcomes: dict[int, Outcome] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                with interrupt.held():  # a child missing from `running` would not be interrupted
                    child = _start(waiting.pop(), tasks, [other.pipe for other in running.values()])
                    running[child.pipe] = child
            ready = set(wait([*running, *(child.ended for child in running.values())]))
            for child in [child for child in running.values() if ready & {child.pipe, child.ended}]:
                kind, value = _receive(child)
                if kind == "news":
                    on_news(child.number, value)
                    continue
                del running[child.pipe]
                _end(child)
                if kind == "died" and on_death:
                    on_death(child.number, value)
                    continue
                if kind == "died":
                    raise DeathError(value)
                if kind == "raised":
                    raise value
                outcomes[child.number] = value
                on_outcome(child.number, value)
    finally:
        _interrupt(list(running.values()))
    return [outcomes[number] for number in range(len(tasks)) if number in outcomes]


def run_apart(work: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of `work`; in a command it runs in its own process.

    If that process is killed from outside, `work` gets a second try, because this may not be its fault.

    Raises:
        Exception: what `work` raised.
        DeathError: `work` ended its process.
    """
    if not (interrupt.listens() and can_fork()):
        return work()
    try:
        (outcome,) = run_in_processes([lambda _: work()], at_once=1)
    except DeathError as error:
        if not error.death.killed:
            raise
        (outcome,) = run_in_processes([lambda _: work()], at_once=1)
    return outcome


def _start(number: int, tasks: Sequence[Task[News, Outcome]], pipes: Sequence[Connection]) -> _Child[News]:
    here, there = multiprocessing.Pipe(duplex=False)
    last_lines = tempfile.TemporaryFile("w+")  # noqa: SIM115  (`_end` closes it)
    task = (tasks[number], there, [here, *pipes], last_lines, os.getpid())
    process = multiprocessing.get_context("fork").Process(target=_work, args=task)
    release_threads()
    sys.stdout.flush()  # otherwise the child would write the buffer again
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads, which the child does not use
        process.start()
    there.close()
    return _Child(number, process, here, last_lines, _watch(process))


def _watch(process: BaseProcess) -> int:
    try:
        return os.pidfd_open(process.pid or 0)
    except OSError:  # Linux before 5.3; processes that the child forks hold the sentinel too
        return os.dup(process.sentinel)


def _work(
    task: Task[News, Outcome], pipe: Connection, others: Sequence[Connection], last_lines: IO[str], parent: int
) -> None:
    """Run a task in the child process."""
    gc.freeze()  # a collection would write to inherited objects, and so copy their pages
    faulthandler.disable()  # enabled already, it would not take back signals that a library (Ray 2.60) has taken since
    faulthandler.enable(last_lines, all_threads=False)
    os.setpgrp()  # only the parent receives Ctrl-C, and passes it on once
    interrupt.listen(child=True)
    for other in others:
        other.close()  # otherwise a pipe would outlive its reader
    _end_with_parent(parent)
    _go_first()
    torch.set_num_threads(1)
    try:
        with interrupt.raising():
            pipe.send(("outcome", task(lambda news: pipe.send(("news", news)))))
    except interrupt.Interrupted as error:
        sys.exit(interrupt.exit_code(error))
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # interrupted, or the parent is gone
    except Exception as error:
        pipe.send(("raised", _make_portable(error)))


def _end_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent dies for any reason (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before prctl
        os._exit(1)


def _go_first() -> None:
    """Make the kernel kill this process before its parent when memory runs out (Linux)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _make_portable(error: Exception) -> Exception:
    """Return the error if the parent can unpickle its type, else a RuntimeError; attach the traceback as a note."""
    known = type(error).__module__.partition(".")[0] in ("builtins", "registry", "torch", "zoo")
    sent = error if known else RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note("".join(traceback.format_exception(error)))
    return sent


def _receive(child: _Child[News]) -> tuple[str, Any]:
    try:
        if child.pipe.poll():
            return child.pipe.recv()
    except (EOFError, OSError):  # OSError: in the middle of a message
        pass
    child.process.join()
    _end_group(child.process.pid or 0)
    child.last_lines.seek(0)
    return "died", _read_death(child)


def _end_group(leader: int) -> None:
    """Kill the processes that a child has forked, because they hold the lock of its run."""
    deadline = time.monotonic() + PATIENCE
    with suppress(OSError):  # the group is empty
        while time.monotonic() < deadline:
            os.killpg(leader, signal.SIGKILL)
            time.sleep(0.01)


def _end(child: _Child[Any]) -> None:
    child.process.join()
    child.pipe.close()
    child.last_lines.close()
    os.close(child.ended)


def _read_death(child: _Child[Any]) -> Death:
    code = child.process.exitcode or 0
    return Death(_describe_death(code), child.last_lines.read(), killed=code == -signal.SIGKILL)


def _describe_death(code: int) -> str:
    if code == interrupt.TERMINATED:
        return "was asked to stop by SIGTERM"
    if code == -signal.SIGKILL:
        return f"was killed by SIGKILL (exit code {code}), as the system does where memory runs out"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name} (exit code {code})"
    return f"ended with exit code {code} and no exception"


def _interrupt(children: Sequence[_Child[Any]]) -> None:
    for child in children:
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGINT)
    for child in children:
        child.process.join(PATIENCE)
        if child.process.is_alive():
            child.process.kill()
        _end(child)
