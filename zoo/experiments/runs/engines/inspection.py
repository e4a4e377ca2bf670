"""Check that the nodes of a cluster have the software of this machine, before anything is sent there."""

import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from zoo.errors import RunError
from zoo.experiments.runs.engines.demand import Demand, Node
from zoo.experiments.runs.engines.tasks import last_line, make_surroundings, place_at
from zoo.experiments.runs.engines.worker import describe_software

SLOW = 120.0
"""Seconds that a node may take to describe its software: it starts a process and imports torch."""


def inspect_nodes(ray: ModuleType, nodes: Sequence[Node], demand: Demand) -> None:
    """Check that nodes have the software of this machine.

    Raises:
        RunError: one has other software, or none.
    """
    describe = ray.remote(describe_software)
    answers = {
        describe.options(
            num_cpus=0, max_retries=0, runtime_env=make_surroundings(demand), scheduling_strategy=place_at(ray, node)
        ).remote(): node
        for node in nodes
    }
    here, late = describe_software(), time.monotonic() + SLOW
    while answers:
        ready, _ = ray.wait(list(answers), timeout=0.5)
        for answer in ready:
            node = answers.pop(answer)
            _compare(here, _read(ray, answer, node), node)
        if answers and time.monotonic() > late:
            node = next(iter(answers.values()))
            raise RunError(f"Node {node.address} has not described its software within {SLOW:g} s.")


def _read(ray: ModuleType, answer: Any, node: Node) -> dict[str, str]:
    try:
        return dict(ray.get(answer))
    except ray.exceptions.RayError as error:
        raise RunError(f"Node {node.address} cannot execute cells of sequence-zoo: {last_line(error)}") from None


def _compare(here: dict[str, str], there: dict[str, str], node: Node) -> None:
    for name, own in here.items():
        if (other := there.get(name, "another version of sequence-zoo")) != own:
            raise RunError(
                f"Node {node.address} has {name} {other}, and this machine {own}: a run there would be another run. "
                "Install the same on both."
            )
