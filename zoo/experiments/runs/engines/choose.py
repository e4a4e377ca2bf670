"""Choose an engine by name."""

import math
import re

from zoo.errors import UsageError
from zoo.experiments.runs.engines.interface import Engine

ENGINES = ("local", "ray")
ADDRESS = re.compile(r"auto|local|(ray://)?[^\s/]+:\d{1,5}")


def choose_engine(
    name: str = "local", address: str | None = None, cell_cpus: float | None = None, cell_gpus: float | None = None
) -> Engine:
    """Return an engine.

    Args:
        name: "local" or "ray".
        address: of a Ray cluster: "auto", "local", "host:port" or "ray://host:port". [auto]
        cell_cpus: CPUs of a cell on Ray. [its threads]
        cell_gpus: GPUs of a cell on Ray, or a fraction of one. [1 on CUDA]

    Raises:
        UsageError: there is no such engine, or an argument does not fit it.
        RunError: what the engine needs is not installed.
    """
    if name not in ENGINES:
        raise UsageError(f"Unknown engine '{name}'. Available: {', '.join(ENGINES)}.")
    given = {"address": address, "cell_cpus": cell_cpus, "cell_gpus": cell_gpus}
    if name == "local":
        if needless := [key for key, value in given.items() if value is not None]:
            raise UsageError(f"{needless[0]} is about a cluster: give engine=ray (--engine ray) too.")
        from zoo.experiments.runs.engines.local import LocalEngine

        return LocalEngine()
    _check_amount("cell_cpus", cell_cpus, least=0.01)
    _check_amount("cell_gpus", cell_gpus, least=0)
    if address is not None and not ADDRESS.fullmatch(address):
        raise UsageError(f"address='{address}' is not auto, local, host:port or ray://host:port.")
    from zoo.experiments.runs.engines.ray import RayEngine

    return RayEngine(address or "auto", cpus=cell_cpus, gpus=cell_gpus)


def _check_amount(name: str, amount: float | None, *, least: float) -> None:
    """Check an amount of CPUs or GPUs: Ray divides one of them, and gives several whole.

    Raises:
        UsageError: it is none.
    """
    if amount is not None and not (math.isfinite(amount) and amount >= least and (amount <= 1 or amount % 1 == 0)):
        raise UsageError(f"{name}={amount:g} is no amount: give {least:g} to 1, or a whole number.")
