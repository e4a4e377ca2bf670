"""What goes wrong on a cluster is one line, or a failed run beside the others."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Study, losses_of
from tests.conftest import ROOT
from zoo.errors import RunError, UsageError
from zoo.experiments.runs.engines.scout import demands_token

pytestmark = pytest.mark.slow

DYING = """
import os
import sys

from torch import nn

from zoo import SequenceModel


class Dying(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        if "default_worker" in sys.argv[0]:
            os._exit(3)
        return self.table(tokens)
"""
OTHER_TORCH = """
import sys
import types

sys.modules["torch.version"] = types.ModuleType("torch.version")
vars(sys.modules["torch.version"]).update(
    __version__="2.12.0", cuda=None, hip=None, xpu=None, rocm=None, debug=False, git_version=""
)
"""


def test_a_model_that_ends_its_process_is_a_failed_run_beside_the_others(
    study: Study, on_ray: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    compared = study(["bigram", "./dying.py:Dying"], seeds=1, **on_ray)
    assert {row.label: row.status for row in compared.comparison.runs} == {"bigram": "finished", "Dying": "failed"}
    (reason,) = (row.reason for row in compared.comparison.runs if row.reason)
    assert "its process died on 3 workers of the cluster" in reason


def test_a_node_with_another_torch_is_refused_before_anything_runs(
    study: Study, cluster: Any, on_ray: dict[str, Any], tmp_path: Path
) -> None:
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(OTHER_TORCH)
    node = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{shim}:{ROOT}"})
    try:
        with pytest.raises(RunError, match=r"^Node \S+ has torch 2\.12\.0, and this machine \S+: .*\.$"):
            study(["bigram"], **on_ray)
    finally:
        cluster.remove_node(node)
    assert not list(Path("runs").glob("*/*/result.json"))


def test_demands_that_no_node_meets_are_refused_before_anything_is_sent(study: Study, on_ray: dict[str, Any]) -> None:
    with pytest.raises(
        UsageError, match=r"demands 64 CPUs, and no node of the cluster has more than 1: give --cell-cpus"
    ):
        study(["bigram"], cell_cpus=64, **on_ray)
    with pytest.raises(UsageError, match="--cell-gpus asks for GPUs that they would not use"):
        study(["bigram"], cell_gpus=0.5, **on_ray)


def test_a_model_of_this_process_alone_is_refused(study: Study, on_ray: dict[str, Any]) -> None:
    import zoo
    from zoo.models.bigram import Bigram

    zoo.register("here-alone")(type("HereAlone", (Bigram,), {}))
    try:
        with pytest.raises(UsageError, match=r"'here-alone' is defined in this process, so no worker has it"):
            study(["here-alone"], **on_ray)
    finally:
        zoo.MODELS.unregister("here-alone")


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the training of a gru on words.txt; what still runs at the end of the test is killed."""
    command = [sys.executable, str(ROOT / "cli.py"), "train", "gru", "--data", "words.txt", "--threads", "1"]
    started = []

    def start(*words: str, **environment: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        driver = subprocess.Popen([*command, *words], cwd=tmp_path, env={**os.environ, **environment}, **pipes)
        started.append(driver)
        return driver

    yield start
    for driver in started:
        driver.kill()
        driver.communicate()


def test_a_driver_that_is_stopped_and_then_killed_continues_where_it_was(
    study: Study, on_ray: dict[str, Any], tmp_path: Path, start: Start
) -> None:
    words = ["--steps", "1500", "--checkpoint-every", "0.2"]
    cluster, seen = ["--engine", "ray", "--address", on_ray["address"]], set[Path]()
    for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -9)):
        driver, deadline = start(*words, *cluster), time.monotonic() + 120
        while not (new := set(tmp_path.glob("runs/*/.*.partial/checkpoint-*")) - seen) and time.monotonic() < deadline:
            time.sleep(0.05)
        driver.send_signal(number)
        _, complaint = driver.communicate(timeout=60)
        assert driver.returncode == code, complaint
        assert not list(tmp_path.glob("runs/*/*/result.json"))
        seen |= new | set(tmp_path.glob("runs/*/.*.partial/checkpoint-*"))
    (place, said), (other, trouble) = (
        start(*words, *where).communicate(timeout=120) for where in (cluster, ["--out", "alone"])
    )
    assert "goes on at step" in said
    paths = (tmp_path / path.split()[-1] / "result.json" for path in (place, other))
    one, alone = (json.loads(path.read_text())["losses_sha256"] for path in paths)
    assert one == alone, trouble


NODES = """
import sys
from ray.cluster_utils import Cluster
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(nodes.address, flush=True)
sys.stdin.read()
nodes.shutdown()
"""


def test_a_cluster_with_a_token_is_joined_with_it_and_refuses_without(
    tmp_path: Path, study: Study, start: Start
) -> None:
    home = tmp_path / "home"
    (home / ".ray").mkdir(parents=True)
    token = "0123456789abcdef" * 4
    demanding = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODES], env=demanding, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert nodes.stdin
    assert nodes.stdout
    try:
        address = nodes.stdout.readline().strip()
        assert demands_token(address)
        words = ("--steps", "5", "--engine", "ray", "--address", address)
        without = start(*words, HOME=str(home))
        _, complaint = without.communicate(timeout=120)
        assert (without.returncode, complaint.count("\n")) == (1, 1)
        assert "demands a token, and the one here is missing or another" in complaint
        (home / ".ray" / "auth_token").write_text(token)
        joined = start(*words, HOME=str(home))
        _, complaint = joined.communicate(timeout=120)
        assert joined.returncode == 0, complaint
        assert "RAY_AUTH" not in complaint
    finally:
        nodes.communicate("")


def test_a_second_study_reads_what_the_first_one_ran(study: Study, on_ray: dict[str, Any]) -> None:
    first = study(["bigram"], seeds=2, **on_ray)
    before = {path: path.stat().st_mtime_ns for path in first.directory.rglob("result.json")}
    assert losses_of(study(["bigram"], seeds=2, **on_ray)) == losses_of(first)
    assert {path: path.stat().st_mtime_ns for path in first.directory.rglob("result.json")} == before
