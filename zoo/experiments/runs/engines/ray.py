"""Execute units as tasks of a Ray cluster (Ray core)."""

import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from zoo.data.corpus import Corpus
from zoo.errors import RunError, shorten
from zoo.experiments.runs.engines.board import SECONDS, Board
from zoo.experiments.runs.engines.connection import join, leave
from zoo.experiments.runs.engines.demand import Demand, Node, find_demand, fits, list_nodes
from zoo.experiments.runs.engines.interface import Finish, Report, Unit
from zoo.experiments.runs.engines.returned import Returned, receive
from zoo.experiments.runs.engines.scout import Found, find_cluster
from zoo.experiments.runs.engines.shipment import check_travels, load_shipment
from zoo.experiments.runs.engines.unit import execute_unit, is_finished
from zoo.experiments.runs.engines.worker import describe_software, work
from zoo.experiments.runs.failure import record_deaths
from zoo.experiments.runs.workers import Death
from zoo.experiments.runs.working_folder import BusyError
from zoo.training.loop import Progress

LOCAL = "local"
MOST_TRIES = 3
"""Times that a unit is executed whose worker dies."""
PATIENCE = 5.0
"""Seconds that cancelled units have to store their state."""
SLOW = 120.0
"""Seconds that a node may take to describe its software: it starts a process and imports torch."""


@dataclass(frozen=True)
class Flight:
    """A unit on its way, and how often it was sent."""

    number: int
    tries: int = 1


class RayEngine:
    """Executes units on the nodes of a Ray cluster.

    Args:
        address: "auto", "ray://host:port", "host:port"; or "local", a cluster on this machine for this command.
        cpus: CPUs of a unit; None: its threads.
        gpus: GPUs of a unit, or a fraction of one; None: one on CUDA.

    Raises:
        RunError: Ray is not installed.
    """

    def __init__(self, address: str = "auto", *, cpus: float | None = None, gpus: float | None = None) -> None:
        if find_spec("ray") is None:
            raise RunError("--engine ray needs Ray: pip install 'sequence-zoo[cluster]'.")
        self._address, self._cpus, self._gpus = address, cpus, gpus
        self._found: Found | None = None
        self._ray: ModuleType | None = None
        self._is_guest = False  # of a cluster that the calling program has joined
        self._inspected: set[tuple[str, int]] = set()

    def check(self) -> None:
        """Find the cluster.

        Raises:
            RunError: there is none, or it refuses the token of this user.
        """
        if self._address != LOCAL:
            self._found = find_cluster(self._address)

    def execute(self, units: Sequence[Unit], corpus: Corpus, report: Report, finish: Finish) -> None:
        """As `Engine.execute`; a unit whose worker dies is sent again, and failed in the end.

        Raises:
            RunError: a node has other software or no such corpus, or gave another run than was asked for.
            UsageError: no node has what a unit demands, or a unit cannot travel.
        """
        for unit in units:
            if is_finished(unit) and execute_unit(unit, corpus, report):
                finish(unit)
        todo = [unit for unit in units if not is_finished(unit)]
        for unit in todo:
            check_travels(unit[0])
        if todo:
            ray = self._join()
            nodes = list_nodes(ray.nodes())
            demands = [find_demand(unit, nodes, self._cpus, self._gpus) for unit in todo]
            for demand in dict.fromkeys(demands):
                self._inspect(ray, nodes, demand)
            with _Mark(todo[0][0].study) as mark:
                journey = _Journey(ray, todo, demands, nodes, mark)
                try:
                    journey.make(report, finish)
                except ray.exceptions.RayError as error:
                    raise RunError(f"The Ray cluster at '{self._address}' is gone: {_last_line(error)}") from None

    def close(self) -> None:
        """Leave the cluster; a "local" one ends."""
        if self._ray and not self._is_guest:
            leave(self._ray)
        self._ray = None

    def _join(self) -> ModuleType:
        if self._ray is None:
            import ray

            self._is_guest = ray.is_initialized()
            if not self._is_guest:
                if self._address != LOCAL and self._found is None:
                    self.check()
                join(self._found)
            self._ray = ray
        return self._ray

    def _inspect(self, ray: ModuleType, nodes: Sequence[Node], demand: Demand) -> None:
        """Check that every node that may execute a unit has the software of this machine.

        Raises:
            RunError: one has other software, or none.
        """
        new = [node for node in nodes if fits(demand, node) and (node.id, demand.threads) not in self._inspected]
        describe = ray.remote(describe_software)
        answers = {
            describe.options(
                num_cpus=0, max_retries=0, runtime_env=_surroundings(demand), scheduling_strategy=_at(ray, node)
            ).remote(): node
            for node in new
        }
        here, late = describe_software(), time.monotonic() + SLOW
        while answers:
            ready, _ = ray.wait(list(answers), timeout=0.5)
            for answer in ready:
                node = answers.pop(answer)
                _compare(here, _read(ray, answer, node), node)
                self._inspected.add((node.id, demand.threads))
            if answers and time.monotonic() > late:
                node = next(iter(answers.values()))
                raise RunError(f"Node {node.address} has not described its software within {SLOW:g} s.")


class _Mark:
    """A file in a study's folder by which a worker knows that it sees this very folder; `clean` removes a left one."""

    def __init__(self, study: Path) -> None:
        self._path = study / f".shared-{secrets.token_hex(8)}.partial"

    def __enter__(self) -> str:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        return self._path.name

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


class _Journey:
    """Units on their way to workers and back."""

    def __init__(
        self, ray: ModuleType, units: Sequence[Unit], demands: Sequence[Demand], nodes: Sequence[Node], mark: str
    ) -> None:
        self._ray, self._units, self._demands, self._mark = ray, units, demands, mark
        self._flights: dict[Any, Flight] = {}
        head = next((node for node in nodes if node.is_head), nodes[0])
        actor = ray.remote(Board).options(num_cpus=0, scheduling_strategy=_at(ray, head, soft=True))
        self._board, self._news = actor.remote(), None

    def make(self, report: Report, finish: Finish) -> None:
        """Send all units, and finish each that comes back."""
        try:
            for number in range(len(self._units)):
                self._send(Flight(number))
            while self._flights:
                ready, _ = self._ray.wait(list(self._flights), timeout=SECONDS)
                self._look(report, patience=1.0 if ready else 0.0)
                for task in ready:
                    self._land(task, self._flights.pop(task), report, finish)
        finally:
            self._cancel()

    def _send(self, flight: Flight) -> None:
        demand, board = self._demands[flight.number], self._board
        task = self._ray.remote(_work).options(
            num_cpus=demand.cpus,
            num_gpus=demand.gpus,
            max_retries=0,
            scheduling_strategy="SPREAD",
            runtime_env=_surroundings(demand),
        )
        shipment = load_shipment(self._units[flight.number], self._mark)
        self._flights[task.remote(shipment, flight.number, board)] = flight

    def _land(self, task: Any, flight: Flight, report: Report, finish: Finish) -> None:
        unit, errors = self._units[flight.number], self._ray.exceptions
        deaths = (errors.WorkerCrashedError, errors.NodeDiedError, errors.LocalRayletDiedError,
                  errors.ObjectLostError, errors.OutOfMemoryError)  # fmt: skip
        try:
            returned = self._ray.get(task)
        except deaths as error:
            if flight.tries < MOST_TRIES:
                report(unit[0], Progress(0.0, None, None, "its worker died, so it is sent again"))
                self._send(replace(flight, tries=flight.tries + 1))
                return
            with suppress(BusyError):
                record_deaths(unit, _describe_death(error))
                finish(unit)
            return
        except errors.RayError as error:
            raise RunError(f"Ray could not execute '{unit[0].config.label}': {_last_line(error)}") from error
        if returned.state == "refused":
            raise RunError(f"Node {returned.node}: {returned.reason}")
        if returned.state != "busy":
            with suppress(BusyError):
                receive(unit, returned)
                finish(unit)

    def _look(self, report: Report, patience: float) -> None:
        """Report what the board has; without the board, which may die with its node, the study goes on."""
        self._news = self._news or self._board.take.remote()
        if not self._ray.wait([self._news], timeout=patience)[0]:
            return
        with suppress(self._ray.exceptions.RayError):
            for (number, cell), progress in self._ray.get(self._news).items():
                report(self._units[number][cell], Progress(**{"train_loss": None, "validation_loss": None, **progress}))
        self._news = None

    def _cancel(self) -> None:
        """Cancel what is still on its way; tasks store their state first."""
        left = list(self._flights)
        for force in (False, True):
            for task in left:
                with suppress(Exception):
                    self._ray.cancel(task, force=force)
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=PATIENCE)
        with suppress(Exception):
            self._ray.kill(self._board)


def _work(shipment: Any, number: int, board: Any) -> Returned:
    return work(shipment, number, board.post.remote)


def _surroundings(demand: Demand) -> dict[str, Any]:
    """Return the runtime environment of a unit: Ray gives a worker as many threads as CPUs."""
    return {"env_vars": {"OMP_NUM_THREADS": str(demand.threads)}}


def _at(ray: ModuleType, node: Node, *, soft: bool = False) -> Any:
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=soft)


def _read(ray: ModuleType, answer: Any, node: Node) -> dict[str, str]:
    try:
        return dict(ray.get(answer))
    except ray.exceptions.RayError as error:
        raise RunError(f"Node {node.address} cannot execute cells of sequence-zoo: {_last_line(error)}") from None


def _compare(here: dict[str, str], there: dict[str, str], node: Node) -> None:
    for name, own in here.items():
        if (other := there.get(name, "another version of sequence-zoo")) != own:
            raise RunError(
                f"Node {node.address} has {name} {other}, and this machine {own}: a run there would be another run. "
                "Install the same on both."
            )


def _describe_death(error: Exception) -> Death:
    words = shorten(" ".join(str(error).split()), 300)
    return Death(f"died on {MOST_TRIES} workers of the cluster, the last time: {words}", "", killed=True)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shorten(lines[-1] if lines else type(error).__name__, 300)
