"""MLflow's own client finds what the records have, in a database and in a folder of files, offline."""

import json
import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from lines_tracker import DATA

from zoo.experiments.records.run import read_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),  # MLflow with SQLAlchemy 2.1
]
WILD = """
from torch import nn
from zoo import SequenceModel


class Wild(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return (self.table(tokens) * 1e30).exp()
"""


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def read_runs(uri: str, experiment: str) -> dict[str, dict[str, Any]]:
    """Name of a run -> all that the store has of it, without its times and numbers of its own."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (found,) = [one for one in client.search_experiments() if one.name == experiment]
    runs = {}
    for run in client.search_runs([found.experiment_id]):
        where = run.info.run_id
        points = {
            key: [(one.step, one.value) for one in client.get_metric_history(where, key)] for key in run.data.metrics
        }
        files: dict[str, str] = {}
        folders = [""]
        while folders:
            for file in client.list_artifacts(where, folders.pop() or None):
                if file.is_dir:
                    folders.append(file.path)
                    continue
                with TemporaryDirectory() as folder:
                    files[file.path] = Path(client.download_artifacts(where, file.path, folder)).read_text()
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.log-model")}
        runs[run.info.run_name] = {
            "status": run.info.status,
            "params": run.data.params,
            "points": points,
            "tags": tags,
            "files": files,
        }
    return runs


def test_a_study_is_an_experiment_in_a_database_beside_it_and_the_terminal_stays_quiet(
    run_process, tmp_path: Path
) -> None:
    done = run_process("compare", "--models", "bigram,mlp", "--seeds", "2", *DATA, "--steps", "12", "--track", "mlflow")
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "INFO" in line or "alembic" in line or "🏃" in line]
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("tracker")]
    uri = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    assert line == f"tracker mlflow: 5 sent; MLflow at {uri}"
    (study,) = (path for path in (tmp_path / "runs").iterdir() if (path / "comparison.json").is_file())
    runs = read_runs(uri, study.name)
    (record,) = study.glob("study-*.json")
    assert set(runs) == {record.stem, *(path.parent.name for path in study.glob("*/result.json"))}

    name = next(study.glob("mlp-seed1-*")).name
    run, sent = read_run(study / name), runs[name]
    assert sent["points"]["loss/validation"] == [(point.step, point.validation_loss) for point in run.curve]
    assert sent["points"]["result/test_loss"] == [(12, run.result.test_loss)]
    assert sent["params"]["training.steps"] == "12"
    assert sent["tags"]["zoo.study"] == study.name
    assert json.loads(sent["files"]["result.json"])["test_loss"] == run.result.test_loss

    comparison, whole = json.loads((study / "comparison.json").read_text()), runs[record.stem]
    for row in comparison["models"]:
        assert whole["points"][f"result/{row['label']}/test_loss"] == [(0, row["test"]["mean"])]
    assert whole["tags"]["mlflow.note.content"] == comparison["verdict"]
    assert whole["files"]["report.html"] == (study / "report.html").read_text()
    assert "figures/curves-tokens.svg" in whole["files"]

    later = f"mlflow(uri=file:{tmp_path / 'later'})"
    done = run_process("track", str(study), "--to", later)
    assert done.stdout.startswith(f"{later}: 5 sent"), done.stderr
    assert read_runs(f"file:{tmp_path / 'later'}", study.name) == runs
    assert run_process("track", str(study), "--to", "mlflow").stdout.startswith("mlflow: 0 sent, 5 there already")


def test_a_run_that_diverged_has_its_status_and_no_number_for_a_loss(run_process, tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(WILD)
    tracker = f"mlflow(uri=sqlite:///{tmp_path / 'own.db'},experiment=wild)"
    done = run_process("train", "./wild.py:Wild", *DATA, "--steps", "5", "--track", tracker)
    assert "2 sent" in done.stderr
    name = Path(done.stdout.splitlines()[-1]).name
    sent = read_runs(f"sqlite:///{tmp_path / 'own.db'}", "wild")[name]
    assert (sent["status"], sent["tags"]["zoo.status"]) == ("FINISHED", "diverged")
    assert sent["tags"]["zoo.diverged_at"].startswith("step ")
    assert not any("loss" in key for key in sent["points"])
    assert all(abs(value) < 1e300 for points in sent["points"].values() for _, value in points)


def test_a_failed_run_has_failed(run_process, tmp_path: Path) -> None:
    source = WILD.replace(
        "return (self.table(tokens) * 1e30).exp()",
        "if self.training:\n            raise ValueError('no')\n        return self.table(tokens)",
    )
    (tmp_path / "wild.py").write_text(source)
    tracker = f"mlflow(uri=file:{tmp_path / 'store'})"
    done = run_process("train", "./wild.py:Wild", *DATA, "--steps", "5", "--track", tracker)
    assert done.returncode == 1
    name = Path(done.stdout.splitlines()[-1]).name
    sent = read_runs(f"file:{tmp_path / 'store'}", next((tmp_path / "runs").iterdir()).name)[name]
    assert (sent["status"], sent["tags"]["zoo.status"]) == ("FAILED", "failed")
    assert "ValueError: no" in sent["tags"]["zoo.reason"]


LOG_CONNECTIONS = """
import socket
import sys

connect, find = socket.socket.connect, socket.getaddrinfo


def log(*words):
    with open({log!r}, "a") as file:
        print(*words, file=file)


def log_connect(self, address):
    log(*address[:2])
    return connect(self, address)


def log_find(host, port, *options, **others):
    log(host, port)
    return find(host, port, *options, **others)


socket.socket.connect, socket.getaddrinfo = log_connect, log_find
"""


def test_nothing_is_sent_to_anyone_else(run_process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "CI", "PYTEST_CURRENT_TEST"):  # all switch telemetry off
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LOG_CONNECTIONS.format(log=str(tmp_path / "log")))
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    command = ["train", "bigram", *DATA, "--steps", "6", "--track"]
    assert "2 sent" in run_process(*command, "mlflow", env={"PYTHONPATH": path}).stderr
    assert not (tmp_path / "log").exists()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run_process(*command, f"mlflow(uri=http://127.0.0.1:{port})", "--fresh", env={"PYTHONPATH": path})
    assert set((tmp_path / "log").read_text().splitlines()) == {f"127.0.0.1 {port}"}


def test_a_server_that_never_answers_costs_a_few_seconds_at_the_end(run_process, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        uri = f"http://somebody:secret@127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        done = run_process("train", "bigram", *DATA, "--steps", "12", "--track", f"mlflow(uri={uri})")
        took = time.monotonic() - began
    assert done.returncode == 0
    why, later = [line for line in done.stderr.splitlines() if line.startswith("tracker")]
    assert "no answer within 5 s" in why
    assert "2 of 2 not sent" in later
    assert "secret" not in done.stderr
    assert took < 60  # MLflow's own patience is many minutes
