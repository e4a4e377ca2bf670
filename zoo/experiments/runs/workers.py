"""Run pieces of work side by side, each in a process of its own on one thread.

Two small trainings on two cores, a thread each, get more done than one on two threads, which wait for each other at
every operation. Processes are forked: a model that was typed into a notebook is there too, and so is the text.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import torch

from zoo import interrupt
from zoo.errors import RunError

News = TypeVar("News")
Outcome = TypeVar("Outcome")
Task = Callable[[Callable[[News], None]], Outcome]
"""Does its work, reports how it goes, and returns what came out; both are pickled."""

PR_SET_PDEATHSIG = 1
PATIENCE = 5.0
"""Seconds that a process which is interrupted has to leave things in order."""


def count_cores() -> int:
    """The cores that this process may use, not those of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """On Linux, where nothing has CUDA: neither CUDA nor autograd's threads for it outlive a fork."""
    return sys.platform == "linux" and not torch.cuda.is_available()


@dataclass(frozen=True)
class _Child(Generic[News]):
    number: int
    process: BaseProcess
    pipe: Connection


def run_side_by_side(
    tasks: Sequence[Task[News, Outcome]],
    *,
    at_once: int,
    on_news: Callable[[int, News], None] = lambda number, news: None,
    on_outcome: Callable[[int, Outcome], None] = lambda number, outcome: None,
    on_death: Callable[[int, str], None] | None = None,
) -> list[Outcome]:
    """What comes out of each task, in their order.

    `on_news` and `on_outcome` are called in this process, with the number of the task; so is `on_death`, with how it
    died, if a process dies, and that task has no outcome.

    Raises:
        Exception: what a task raised; the others are interrupted first.
        RunError: a process died, and there is no `on_death`.
    """
    waiting, running = list(range(len(tasks)))[::-1], dict[Connection, _Child[News]]()
    outcomes: dict[int, Outcome] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                child = _start(waiting.pop(), tasks, [other.pipe for other in running.values()])
                running[child.pipe] = child
            for pipe in wait(list(running)):
                child = running[pipe]  # type: ignore[index]
                kind, value = _receive(child)
                if kind == "news":
                    on_news(child.number, value)
                    continue
                del running[child.pipe]
                child.process.join()
                if kind == "died" and on_death:
                    on_death(child.number, value)
                    continue
                if kind == "died":
                    raise RunError(f"A process that trained {value}")
                if kind == "raised":
                    raise value
                outcomes[child.number] = value
                on_outcome(child.number, value)
    finally:
        _interrupt(list(running.values()))
    return [outcomes[number] for number in range(len(tasks)) if number in outcomes]


def _start(number: int, tasks: Sequence[Task[News, Outcome]], pipes: Sequence[Connection]) -> _Child[News]:
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(tasks[number], there, [here, *pipes]))
    sys.stdout.flush()  # or the child would write it again
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads: this one uses none
        process.start()
    there.close()
    return _Child(number, process, here)


def _work(task: Task[News, Outcome], pipe: Connection, others: Sequence[Connection]) -> None:
    """In the child."""
    os.setpgrp()  # Ctrl-C is for the parent, which passes it on once
    interrupt.listen(child=True)  # a parent in the background may ignore it
    for other in others:
        other.close()  # or a pipe would outlive its reader
    _end_with_parent()
    torch.set_num_threads(1)  # threads of a pool that was not forked would never answer
    try:
        pipe.send(("outcome", task(lambda news: pipe.send(("news", news)))))
    except interrupt.Interrupted as error:
        sys.exit(interrupt.exit_code(error))
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # it was interrupted, or nobody listens any more
    except Exception as error:
        pipe.send(("raised", _make_portable(error)))


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent dies, however that happens (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:  # it died before
        os._exit(1)


def _make_portable(error: Exception) -> Exception:
    """The error if the parent knows its type, else its text; where it was raised goes with it."""
    known = type(error).__module__.partition(".")[0] in ("builtins", "registry", "torch", "zoo")
    sent = error if known else RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note("".join(traceback.format_exception(error)))
    return sent


def _receive(child: _Child[News]) -> tuple[str, Any]:
    try:
        return child.pipe.recv()
    except EOFError:
        child.process.join()
        return "died", _describe_death(child.process.exitcode or 0)


def _describe_death(code: int) -> str:
    if code == interrupt.TERMINATED:
        return "was asked to stop by SIGTERM."
    if code < 0:
        return f"was killed by {signal.Signals(-code).name} (exit code {code})."
    return f"ended with exit code {code}, saying nothing."


def _interrupt(children: Sequence[_Child[Any]]) -> None:
    for child in children:
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGINT)
    for child in children:
        child.process.join(PATIENCE)
        if child.process.is_alive():
            child.process.kill()
            child.process.join()
