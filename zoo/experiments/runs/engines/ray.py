"""Execute units as tasks of a Ray cluster (Ray core)."""

import secrets
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from zoo.data.corpus import Corpus
from zoo.errors import RunError
from zoo.experiments.runs.engines.connection import join, leave
from zoo.experiments.runs.engines.demand import find_demand, fits, list_nodes
from zoo.experiments.runs.engines.inspection import inspect_nodes
from zoo.experiments.runs.engines.interface import Finish, Report, Unit
from zoo.experiments.runs.engines.journey import Journey
from zoo.experiments.runs.engines.scout import Found, find_cluster
from zoo.experiments.runs.engines.shipment import check_travels
from zoo.experiments.runs.engines.tasks import last_line
from zoo.experiments.runs.engines.unit import execute_unit, is_finished
from zoo.experiments.runs.working_folder import LOCK, is_locked

LOCAL = "local"


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
        todo = [unit for unit in units if not is_finished(unit) and not _is_taken(unit)]
        for unit in todo:
            check_travels(unit[0])
        if todo:
            ray = self._join()
            nodes = list_nodes(ray.nodes())
            demands = [find_demand(unit, nodes, self._cpus, self._gpus) for unit in todo]
            for demand in dict.fromkeys(demands):
                keys = {(node.id, demand.threads): node for node in nodes if fits(demand, node)}
                inspect_nodes(ray, [node for key, node in keys.items() if key not in self._inspected], demand)
                self._inspected |= keys.keys()
            with _Mark(todo[0][0].study) as mark:
                journey = Journey(ray, todo, demands, nodes, mark)
                try:
                    journey.make(report, finish)
                except ray.exceptions.RayError as error:
                    raise RunError(f"The Ray cluster at '{self._address}' is gone: {last_line(error)}") from None

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


def _is_taken(unit: Unit) -> bool:
    """Return whether another process executes a unit, so that no worker need find it out."""
    return any(is_locked(cell.directory.with_name(f".{cell.directory.name}.partial") / LOCK) for cell in unit)
