"""Units on their way to workers and back."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from zoo.errors import RunError, shorten
from zoo.experiments.runs.engines.board import SECONDS, Board
from zoo.experiments.runs.engines.demand import Demand, Node
from zoo.experiments.runs.engines.interface import Finish, Report, Unit
from zoo.experiments.runs.engines.returned import Returned, receive
from zoo.experiments.runs.engines.shipment import load_shipment
from zoo.experiments.runs.engines.tasks import last_line, make_surroundings, place_at
from zoo.experiments.runs.engines.worker import work
from zoo.experiments.runs.failure import record_deaths
from zoo.experiments.runs.workers import Death
from zoo.experiments.runs.working_folder import BusyError
from zoo.training.loop import Progress

MOST_TRIES = 3
"""Times that a unit is executed whose worker dies."""
PATIENCE = 5.0
"""Seconds that cancelled units have to store their state."""


@dataclass(frozen=True)
class Flight:
    """A unit on its way, and how often it was sent."""

    number: int
    tries: int = 1


class Journey:
    """Units on their way to workers and back."""

    def __init__(
        self, ray: ModuleType, units: Sequence[Unit], demands: Sequence[Demand], nodes: Sequence[Node], mark: str
    ) -> None:
        self._ray, self._units, self._demands, self._mark = ray, units, demands, mark
        self._flights: dict[Any, Flight] = {}
        head = next((node for node in nodes if node.is_head), nodes[0])
        actor = ray.remote(Board).options(num_cpus=0, scheduling_strategy=place_at(ray, head, soft=True))
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
            runtime_env=make_surroundings(demand),
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
            raise RunError(f"Ray could not execute '{unit[0].config.label}': {last_line(error)}") from error
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


def _describe_death(error: Exception) -> Death:
    words = shorten(" ".join(str(error).split()), 300)
    return Death(f"died on {MOST_TRIES} workers of the cluster, the last time: {words}", "", killed=True)
