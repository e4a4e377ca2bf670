"""Run pieces of work in processes of their own, one after the other or side by side.

What ends such a process ends no other. And two small trainings on two cores, a thread each, get more done than one on
two threads, which wait for each other at every operation. Processes are forked: a model that was typed into a notebook
is there too, and so is the text.
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
"""Does its work, reports how it goes, and returns what came out; both are pickled."""

PR_SET_PDEATHSIG = 1
OMP_PAUSE_HARD = 2
PATIENCE = 5.0
"""Seconds that a process which is interrupted has to leave things in order."""


def count_cores() -> int:
    """The cores that this process may use, not those of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """On Linux, where nothing has CUDA and no model has started threads: none of these outlives a fork."""
    return sys.platform == "linux" and not torch.cuda.is_available() and not interrupt.find_new_threads()


def release_threads() -> bool:
    """End the pool of OpenMP threads that torch computes with, which begins again when it is needed; whether it ended.

    A forked child that inherits a pool waits forever for threads that were not forked (libgomp).
    """
    try:
        return ctypes.CDLL(None).omp_pause_resource_all(OMP_PAUSE_HARD) == 0
    except AttributeError:
        return False


@dataclass(frozen=True)
class Death:
    """How a process ended without a word."""

    reason: str
    lines: str
    """The Python lines that it was at, as faulthandler writes them; "" where it was killed or exited."""
    killed: bool = False
    """Whether somebody else did it, by SIGKILL."""


class DeathError(RunError):
    """A process ended without a word."""

    def __init__(self, death: Death) -> None:
        super().__init__(f"A process {death.reason}.")
        self.death = death


@dataclass(frozen=True)
class _Child(Generic[News]):
    number: int
    process: BaseProcess
    pipe: Connection
    last_lines: IO[str]
    """Where the child writes which Python lines it is at when it crashes."""
    ended: int
    """A descriptor that is ready when the child has ended, though a process that it forked may hold the pipe."""


def run_in_processes(
    tasks: Sequence[Task[News, Outcome]],
    *,
    at_once: int,
    on_news: Callable[[int, News], None] = lambda number, news: None,
    on_outcome: Callable[[int, Outcome], None] = lambda number, outcome: None,
    on_death: Callable[[int, Death], None] | None = None,
) -> list[Outcome]:
    """What comes out of each task, in their order; so many run `at_once`, each on one thread unless it sets more.

    `on_news` and `on_outcome` are called in this process, with the number of the task; so is `on_death` if a process
    dies, and that task has no outcome.

    Raises:
        Exception: what a task raised; the others are interrupted first.
        DeathError: a process died, and there is no `on_death`.
    """
    waiting, running = list(range(len(tasks)))[::-1], dict[Connection, _Child[News]]()
    outcomes: dict[int, Outcome] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                with interrupt.held():  # a child that is not in `running` would be waited for to its end
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
    """What comes out of a piece of work, which is done in a process of its own if this one is a command's.

    A process that somebody kills, be it the system, gets a second try: that tells nothing yet of the work.

    Raises:
        Exception: what it raised.
        DeathError: it ended its process.
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
    last_lines = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the last process that has it)
    task = (tasks[number], there, [here, *pipes], last_lines, os.getpid())
    process = multiprocessing.get_context("fork").Process(target=_work, args=task)
    release_threads()
    sys.stdout.flush()  # or the child would write it again
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads: this one uses none
        process.start()
    there.close()
    return _Child(number, process, here, last_lines, _watch(process))


def _watch(process: BaseProcess) -> int:
    try:
        return os.pidfd_open(process.pid or 0)
    except OSError:  # Linux before 5.3: this one is held by what the process forks, too
        return os.dup(process.sentinel)


def _work(
    task: Task[News, Outcome], pipe: Connection, others: Sequence[Connection], last_lines: IO[str], parent: int
) -> None:
    """In the child."""
    gc.freeze()  # a collection would write to all that is there, and so copy it
    faulthandler.enable(last_lines, all_threads=False)
    os.setpgrp()  # Ctrl-C is for the parent, which passes it on once
    interrupt.listen(child=True)
    for other in others:
        other.close()  # or a pipe would outlive its reader
    _end_with_parent(parent)
    _go_first()
    torch.set_num_threads(1)
    try:
        with interrupt.raising():
            pipe.send(("outcome", task(lambda news: pipe.send(("news", news)))))
    except interrupt.Interrupted as error:
        sys.exit(interrupt.exit_code(error))
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # it was interrupted, or nobody listens any more
    except Exception as error:
        pipe.send(("raised", _make_portable(error)))


def _end_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent dies, however that happens (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        os._exit(1)


def _go_first() -> None:
    """Have the kernel end this process, and not its parent, where memory runs out (Linux)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _make_portable(error: Exception) -> Exception:
    """The error if the parent knows its type, else its text; where it was raised goes with it."""
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
    """End what a child has forked, which holds the lock of its run."""
    deadline = time.monotonic() + PATIENCE
    with suppress(OSError):  # nobody is left
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
    return f"ended with exit code {code}, saying nothing"


def _interrupt(children: Sequence[_Child[Any]]) -> None:
    for child in children:
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGINT)
    for child in children:
        child.process.join(PATIENCE)
        if child.process.is_alive():
            child.process.kill()
        _end(child)
