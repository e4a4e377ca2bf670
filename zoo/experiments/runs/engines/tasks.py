"""Options and errors of Ray's tasks."""

from types import ModuleType
from typing import Any

from zoo.errors import shorten
from zoo.experiments.runs.engines.demand import Demand, Node


def make_surroundings(demand: Demand) -> dict[str, Any]:
    """Return the runtime environment of a unit: Ray gives a worker as many threads as CPUs."""
    return {"env_vars": {"OMP_NUM_THREADS": str(demand.threads)}}


def place_at(ray: ModuleType, node: Node, *, soft: bool = False) -> Any:
    """Return the strategy that places a task on a node; `soft`: or on another one if it is gone."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node.id, soft=soft)


def last_line(error: Exception) -> str:
    """Return the last line of an error, which names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shorten(lines[-1] if lines else type(error).__name__, 300)
