"""Time a run with a tracker against the same run without one, and the wait at its end.

Each turn trains a new run with and without. A tracker may cost 1% while a run trains: "calls" is the processor time of
all calls that send, in the training process, as a share of its own; the ratios of whole runs need an idle machine. "At
the end" is the wait for what is not sent yet, which a dead server must not make long: it accepts connections and never
answers.
"""

import itertools
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from turns import in_turns, ratio

from zoo.experiments.compare import run_study
from zoo.experiments.plan import make_plan
from zoo.experiments.runs.batch import Listener
from zoo.experiments.study.parse import build_study
from zoo.trackers.find import find_trackers
from zoo.trackers.listener import Tracking

MOST, LONGEST = 0.01, 7.0
"""Targets: share of a run's time, and seconds of the wait for a dead server."""
SETTINGS = {
    "data": "invented(documents=8000)", "steps": 1_000, "evaluations": 20, "execution": "sequential", "threads": 1,
}  # fmt: skip
TABLE = Table(
    *(
        "trackers",
        "tracker",
        "processor time of a run",
        "calls",
        "target",
        "",
        "ratio on the clock",
        "of processor time",
    ),
    *("sending process", "at the end", "target", ""),
)


class Turn(NamedTuple):
    """Seconds of a run: on the clock, of this process, of its calls that send, of the sending process, at the end."""

    clock: float
    ours: float
    calls: float
    sender: float
    wait: float


class Timed(Tracking):
    """Adds up the processor time of the calls that send."""

    calls = 0.0

    def _send(self, *message: Any, **values: object) -> None:
        began = time.process_time()
        super()._send(*message, **values)
        self.calls += time.process_time() - began


@pytest.mark.long
@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "dead mlflow"])
def bench_tracking(benchmark: BenchmarkFixture, turns: int, tmp_path: Path, name: str) -> None:
    """Train runs of a mlp in turns, with and without a tracker."""
    seeds = itertools.count(1)
    spent: dict[bool, list[Turn]] = {True: [], False: []}
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        dead = f"mlflow(uri=http://127.0.0.1:{server.getsockname()[1]})"
        tracker = dead if name == "dead mlflow" else name

        def side(tracked: bool) -> Callable[[], None]:
            return lambda: spent[tracked].append(train([tracker] * tracked, next(seeds), tmp_path))

        in_turns(benchmark, side(True), side(False), turns=turns)
    tracked, plain = spent[True][1:], spent[False][1:]
    clock, ours = (ratio(*([turn[of] for turn in turns] for turns in (tracked, plain))) for of in (0, 1))
    wait = median(turn.wait for turn in tracked)
    benchmark.extra_info |= {"clock": clock, "processor": ours, "wait": wait}
    share = median(turn.calls / turn.ours for turn in tracked)
    cells = [f"{share:.2%}", f"{MOST:.0%}", met(share <= MOST), f"{clock:.3f}", f"{ours:.3f}"]
    ended = [f"{LONGEST:g} s", met(wait <= LONGEST)] if name == "dead mlflow" else ["", ""]
    spent_apart = duration(median(turn.sender for turn in tracked))
    TABLE.add(name, duration(median(turn.ours for turn in plain)), *cells, spent_apart, duration(wait), *ended)


def train(trackers: list[str], seed: int, out: Path) -> Turn:
    """Train a new run, and send it."""
    study = build_study(SETTINGS, models=["mlp"], seeds=[seed])
    plan = make_plan(study, out, fresh=True)
    children = _processor_time_of_children()
    with Timed(Listener(), find_trackers(trackers), plan.directory, lambda _: None) as tracking:
        clock, ours = time.perf_counter(), time.process_time()
        path, _ = run_study(plan, tracking)
        clock, ours = time.perf_counter() - clock, time.process_time() - ours
        tracking.send_study(path)
        ended = time.perf_counter()
    return Turn(clock, ours, tracking.calls, _processor_time_of_children() - children, time.perf_counter() - ended)


def _processor_time_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
