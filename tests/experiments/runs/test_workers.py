"""Work side by side in real processes."""

import ctypes
import faulthandler
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from zoo.errors import RunError, UsageError
from zoo.experiments.runs import workers
from zoo.experiments.runs.workers import DeathError, count_cores, run_apart, run_in_processes
from zoo.surroundings import isolated

Report = Callable[[str], None]


def numbered(number: int, report: Report) -> int:
    report(f"on {number}")
    return 10 * number


def tasks(count: int) -> list[Callable[[Report], int]]:
    return [lambda report, number=number: numbered(number, report) for number in range(count)]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_results_stand_in_the_order_of_the_tasks_and_everything_told_is_heard(at_once: int) -> None:
    heard, finished = [], []
    made = run_in_processes(
        tasks(5),
        at_once=at_once,
        on_news=lambda number, news: heard.append((number, news)),
        on_outcome=lambda number, outcome: finished.append((number, outcome)),
    )
    assert made == [0, 10, 20, 30, 40]
    assert sorted(heard) == [(number, f"on {number}") for number in range(5)]
    assert sorted(finished) == [(number, 10 * number) for number in range(5)]


def test_each_task_has_a_process_of_its_own_and_one_thread() -> None:
    places = run_in_processes([lambda _: (os.getpid(), torch.get_num_threads())] * 3, at_once=2)
    assert len({pid for pid, _ in places} | {os.getpid()}) == 4
    assert {threads for _, threads in places} == {1}


def test_no_more_run_at_once_than_are_asked_for() -> None:
    def when(_: Report) -> tuple[float, float]:
        began = time.monotonic()
        time.sleep(0.05)
        return began, time.monotonic()

    spans = run_in_processes([when] * 5, at_once=2)
    assert max(sum(a <= moment < b for a, b in spans) for moment, _ in spans) <= 2


def test_gradients_are_computed_in_a_process_after_the_parent_has_used_all_threads() -> None:
    def gradient(_: Report) -> float:
        weight = torch.ones(300, 300, requires_grad=True)
        (weight @ weight).sum().backward()
        return float(weight.grad.sum()) if weight.grad is not None else 0.0

    with isolated(torch.device("cpu"), threads=count_cores()):
        expected = gradient(lambda _: None)
        assert run_in_processes([gradient] * 2, at_once=2) == [expected] * 2


class OwnError(Exception):
    """An exception class that the parent may not know."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [(UsageError("no such thing"), UsageError), (ValueError("odd"), ValueError), (OwnError("x"), RuntimeError)],
)
def test_what_a_task_raises_is_raised_here_with_where_it_happened(error: Exception, kind: type[Exception]) -> None:
    def fail(_: Report) -> int:
        raise error

    with pytest.raises(kind, match=str(error)) as caught:
        run_in_processes([fail, *tasks(1)], at_once=1)
    assert "raise error" in "".join(caught.value.__notes__)


def test_a_process_may_have_threads_after_this_one_had_some() -> None:
    """With libgomp a child that inherits a thread pool waits for it forever."""

    def multiply(_: Report) -> float:
        torch.set_num_threads(2)
        return float((torch.ones(600, 600) @ torch.ones(600, 600)).exp().isinf().sum())

    before = torch.get_num_threads()
    try:
        assert multiply(print) == 360_000
        assert run_in_processes([multiply] * 2, at_once=1) == [360_000] * 2
        assert multiply(print) == 360_000
    finally:
        torch.set_num_threads(before)


def crash(_: Report) -> None:
    os.abort()


def lines_of_a_crash() -> str:
    with pytest.raises(DeathError, match="SIGABRT") as caught:
        run_in_processes([crash], at_once=1)
    return caught.value.death.lines


def test_a_process_that_crashes_says_at_which_lines_it_was() -> None:
    assert re.search(r'test_workers.py", line \d+ in crash', lines_of_a_crash())


def test_a_crash_says_its_lines_though_a_library_handles_its_signal() -> None:
    """Ray (2.60) takes SIGSEGV, SIGABRT and others when it connects, and keeps them afterwards."""

    def with_a_library(_: Report) -> str:
        faulthandler.enable()
        ctypes.CDLL(None).signal(signal.SIGABRT, 0)
        return lines_of_a_crash()

    (lines,) = run_in_processes([with_a_library], at_once=1)
    assert re.search(r'test_workers.py", line \d+ in crash', lines)


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(RunError, match="exit code -9"):
        run_in_processes([lambda _: os.kill(os.getpid(), signal.SIGKILL)], at_once=1)


def test_when_one_fails_the_others_are_interrupted_and_clean_up(tmp_path) -> None:
    def patient(report: Report) -> None:
        report("here")
        try:
            time.sleep(30)
        finally:
            (tmp_path / "left in order").touch()

    def fail(_: Report) -> None:
        time.sleep(0.2)
        raise UsageError("enough")

    began = time.monotonic()
    with pytest.raises(UsageError, match="enough"):
        run_in_processes([patient, fail], at_once=2)
    assert time.monotonic() - began < 10
    assert (tmp_path / "left in order").exists()


@pytest.mark.parametrize(("times", "dies"), [(1, False), (2, True)])
def test_what_somebody_kills_gets_a_second_try_and_no_third(
    times: int, dies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.interrupt, "listens", lambda: True)
    monkeypatch.setattr(workers, "can_fork", lambda: True)  # else this process would be killed

    def work() -> int:
        tries = len(list(tmp_path.iterdir()))
        if tries < times:
            (tmp_path / str(tries)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return tries

    if dies:
        with pytest.raises(DeathError, match="SIGKILL"):
            run_apart(work)
    else:
        assert run_apart(work) == 1
