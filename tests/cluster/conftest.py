"""Fixtures of the tests on a Ray cluster: two nodes on this machine, each a raylet of its own."""

import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import zoo
from tests.cli.conftest import write_words
from zoo.results import Compared

HEAD = {
    "include_dashboard": False,
    "_system_config": {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 3,
    },
}
"""Arguments of a head node that notices the death of another one in seconds."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A head and a second node with a CPU each."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # of 19: a busy machine would starve the workers
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster

        nodes = Cluster(initialize_head=True, head_node_args={**HEAD, "num_cpus": 1})
        nodes.add_node(num_cpus=1)
        yield nodes
        nodes.shutdown()


def power_off(cluster: Any, node: Any) -> None:
    """Kill all processes of a node at once: the raylet, its agents and its workers."""
    (raylet,) = node.all_processes["raylet"]
    family, found = [raylet.process.pid], set[int]()
    while family:
        found.add(family[0])
        family += [child for child in _list_children(family.pop(0)) if child not in found]
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


def _list_children(process: int) -> list[int]:
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))
    return []


Study = Callable[..., Compared]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Compare models on words.txt, in an empty folder, without a report."""
    monkeypatch.chdir(tmp_path)
    write_words(tmp_path / "words.txt", 200)

    def compare(models: list[Any], **arguments: Any) -> Compared:
        usual: dict[str, Any] = {"data": "words.txt", "steps": 20, "threads": 1, "report": False, "progress": False}
        return zoo.compare(models, **{**usual, **arguments})

    return compare


@pytest.fixture
def on_ray(cluster: Any) -> Iterator[dict[str, Any]]:
    """Arguments of a study on the cluster; Ray's own warnings are no errors of ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ResourceWarning)
        yield {"engine": "ray", "address": cluster.address}


def losses_of(compared: Compared) -> dict[str, Any]:
    """Name of a run -> everything that it measured but time and machine."""
    free = {"seconds", "tested_at", "execution", "compile_seconds", "reproduced"}
    return {row.directory: {key: value for key, value in vars(row).items() if key not in free}
            for row in compared.comparison.runs}  # fmt: skip


def list_rest(folder: Path) -> list[str]:
    """Names of hidden files that unfinished work leaves in a study's folder."""
    return [name for name in os.listdir(folder) if name.startswith(".") and not name.endswith(".lock")]
