"""Pieces of work side by side, each in a process of its own on one thread.

Two small trainings on two cores, a thread each, get more done than one on two threads, which wait for each other at
every operation. Processes are forked: a model that was typed into a notebook is there too, and so is the text.
"""

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

from zoo.errors import RunError

Told = TypeVar("Told")
Made = TypeVar("Made")
Task = Callable[[Callable[[Told], None]], Made]
"""Does its work, telling how it goes, and returns what came out; both have to be picklable."""

PATIENCE = 5.0
"""Seconds that a process which is interrupted has to leave things in order."""


def usable_cores() -> int:
    """Of this process, not of the whole machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """On Linux, where nothing has CUDA: neither CUDA nor autograd's threads for it outlive a fork."""
    return sys.platform == "linux" and not torch.cuda.is_available()


@dataclass(frozen=True)
class _Child(Generic[Told]):
    number: int
    process: BaseProcess
    pipe: Connection


def side_by_side(
    tasks: Sequence[Task[Told, Made]],
    *,
    at_once: int,
    heard: Callable[[int, Told], None] = lambda number, told: None,
    finished: Callable[[int, Made], None] = lambda number, made: None,
) -> list[Made]:
    """What each task makes, in their order; `heard` and `finished` are called here, with the number of the task.

    Raises:
        Exception: what a task raised; the others are interrupted first.
        RunError: a process died.
    """
    waiting, running = list(range(len(tasks)))[::-1], dict[Connection, _Child[Told]]()
    made: dict[int, Made] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                child = _start(waiting.pop(), tasks)
                running[child.pipe] = child
            for pipe in wait(list(running)):
                child = running[pipe]  # type: ignore[index]
                kind, value = _received(child)
                if kind == "told":
                    heard(child.number, value)
                    continue
                del running[child.pipe]
                child.process.join()
                if kind == "raised":
                    raise value
                made[child.number] = value
                finished(child.number, value)
    finally:
        _interrupt(list(running.values()))
    return [made[number] for number in range(len(tasks))]


def _start(number: int, tasks: Sequence[Task[Told, Made]]) -> _Child[Told]:
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(tasks[number], there))
    sys.stdout.flush()  # or the child would write it again
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads: this one uses none
        process.start()
    there.close()
    return _Child(number, process, here)


def _work(task: Task[Told, Made], pipe: Connection) -> None:
    """In the child."""
    os.setpgrp()  # Ctrl-C is for the parent, which passes it on once
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may ignore it
    torch.set_num_threads(1)  # threads of a pool that was not forked would never answer
    try:
        pipe.send(("made", task(lambda told: pipe.send(("told", told)))))
    except (KeyboardInterrupt, BrokenPipeError):
        pass  # it was interrupted, or nobody listens any more
    except Exception as error:
        pipe.send(("raised", _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error if the parent knows its type, else its text; where it was raised goes with it."""
    known = type(error).__module__.partition(".")[0] in ("builtins", "registry", "torch", "zoo")
    sent = error if known else RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note("".join(traceback.format_exception(error)))
    return sent


def _received(child: _Child[Told]) -> tuple[str, Any]:
    try:
        return child.pipe.recv()
    except EOFError:
        child.process.join()
        return "raised", RunError(
            f"A process that trained ended with exit code {child.process.exitcode}, saying nothing."
        )


def _interrupt(children: Sequence[_Child[Any]]) -> None:
    for child in children:
        if child.process.is_alive() and child.process.pid is not None:
            os.kill(child.process.pid, signal.SIGINT)
    for child in children:
        child.process.join(PATIENCE)
        if child.process.is_alive():
            child.process.kill()
            child.process.join()
