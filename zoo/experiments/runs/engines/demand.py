"""What a unit demands of a node, and whether a cluster has such a node."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from zoo.errors import UsageError
from zoo.experiments.runs.engines.interface import Unit


class Demand(NamedTuple):
    """CPUs and GPUs of a unit, and its threads."""

    cpus: float
    gpus: float
    threads: int


class Node(NamedTuple):
    """A node that is alive."""

    id: str
    address: str
    cpus: float
    gpus: float
    is_head: bool


def list_nodes(described: Sequence[dict[str, Any]]) -> list[Node]:
    """List the nodes that are alive, as `ray.nodes` describes them."""
    return [
        Node(
            node["NodeID"],
            node["NodeManagerAddress"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
            "node:__internal_head__" in node["Resources"],
        )
        for node in described
        if node["Alive"]
    ]


def find_demand(unit: Unit, nodes: Sequence[Node], cpus: float | None, gpus: float | None) -> Demand:
    """Return what a unit demands: what the user says, or else a CPU for each of its threads, and a GPU on CUDA.

    A budget in seconds takes all CPUs of the largest node, because such a run is alone on its machine.

    Raises:
        UsageError: no node has that.
    """
    training, on_gpu = unit[0].config.training, unit[0].device.type == "cuda"
    threads = training.threads or 1
    usual = max((node.cpus for node in nodes), default=1.0) if training.seconds is not None else float(threads)
    demand = Demand(usual if cpus is None else cpus, float(on_gpu) if gpus is None else gpus, threads)
    if demand.gpus and not on_gpu:
        raise UsageError(
            "Cells compute on the CPU, because this machine has no GPU or --device says so, and --cell-gpus asks for "
            "GPUs that they would not use: run the command on a machine with the GPU of the workers."
        )
    _check_fits(demand, nodes)
    return demand


def fits(demand: Demand, node: Node) -> bool:
    """Return whether an idle node has what a unit demands."""
    return node.cpus >= demand.cpus and node.gpus >= demand.gpus


def _check_fits(demand: Demand, nodes: Sequence[Node]) -> None:
    """Check that some node has what is demanded: Ray would wait for such a node forever.

    Raises:
        UsageError: none has.
    """
    if any(fits(demand, node) for node in nodes):
        return
    most_cpus, most_gpus = (max((amount for amount in own), default=0.0) for own in zip(*_amounts(nodes), strict=True))
    if demand.cpus > most_cpus:
        raise UsageError(
            f"A cell demands {demand.cpus:g} CPUs, and no node of the cluster has more than {most_cpus:g}: give "
            "--cell-cpus or --threads, or add a node."
        )
    if demand.gpus > most_gpus:
        has = f"no node of the cluster has more than {most_gpus:g}" if most_gpus else "no node of the cluster has any"
        raise UsageError(f"A cell demands {demand.gpus:g} GPUs, and {has}: give --cell-gpus, or add a node.")
    raise UsageError(
        f"A cell demands {demand.cpus:g} CPUs and {demand.gpus:g} GPUs, and no node of the cluster has both."
    )


def _amounts(nodes: Sequence[Node]) -> list[tuple[float, float]]:
    return [(node.cpus, node.gpus) for node in nodes] or [(0.0, 0.0)]
