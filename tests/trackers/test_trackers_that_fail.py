"""A tracker that is dead, broken or unknown changes no run, and costs the end of a command a few seconds at most."""

import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lines_tracker import DATA, assemble, read_calls

import zoo
from zoo.experiments.records.run import read_run

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("train", "bigram", *DATA, "--steps", "12")
SILENT = """
import socket
from zoo import Tracker, TrackerOptions


class Silent(Tracker):
    class Config(TrackerOptions):
        port: int

    def begin(self, run):
        socket.create_connection(("127.0.0.1", self.config.port)).recv(1)
"""
DEADLY = """
import os
import tempfile
from zoo import Tracker


class Deadly(Tracker):
    def begin(self, run):
        print("noise")
        tempfile.mkstemp()
        os._exit(3)
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.trackers.listener.SILENT", 0.5)


def tracker_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("tracker")]


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_never_answers_stops_no_run_and_the_rest_can_be_sent_later(
    run_zoo, tmp_path: Path, port: int, lines: str
) -> None:
    (tmp_path / "silent.py").write_text(SILENT)
    tracker = f"./silent.py:Silent(port={port})"
    done = run_zoo(*COMMAND, "--track", tracker)
    assert done.returncode == 0, done.stderr
    run = Path(done.stdout.splitlines()[-1])
    assert read_run(tmp_path / run).result.status == "finished"
    why, later = tracker_lines(done.stderr)
    assert why.startswith(f"tracker {tracker}: no answer within ")
    command = f"python cli.py track {shlex.quote(str(run.parent))} --to {shlex.quote(tracker)}"
    assert later == f"tracker {tracker}: 2 of 2 not sent; to send them: {command}"
    assert run_zoo("track", str(run.parent), "--to", lines).stdout == f"{lines}: 2 sent; cat lines.jsonl\n"
    assert assemble(tmp_path / "lines.jsonl")[run.name]["end"]["status"] == "finished"


@pytest.mark.parametrize(
    "call", ["begin", pytest.param("log", marks=pytest.mark.slow), pytest.param("end", marks=pytest.mark.slow)]
)
def test_a_tracker_that_raises_is_told_once_without_its_password(
    run_zoo, tmp_path: Path, lines: str, call: str
) -> None:
    done = run_zoo(*COMMAND, "--track", f"{lines}(fails={call})")
    assert done.returncode == 0
    why, later = tracker_lines(done.stderr)
    assert why.endswith(f"ConnectionError: no {call} at http://…@nowhere; the runs go on without it")
    lost = 1 if call == "log" else 2  # the summary of a study has no points
    assert f"{lost} of 2 not sent" in later
    assert "secret" not in done.stderr


def test_a_tracker_whose_process_dies_is_told_and_leaves_no_prints_and_no_temporary_files(
    run_zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    done = run_zoo(*COMMAND, "--track", "./deadly.py:Deadly")
    assert done.returncode == 0
    why, later = tracker_lines(done.stderr)
    assert why == "tracker ./deadly.py:Deadly: its process has ended; the runs go on without it"
    assert "2 of 2 not sent" in later
    assert "noise" not in done.stderr + done.stdout
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_of_two_trackers_one_may_fail(run_zoo, tmp_path: Path, lines: str) -> None:
    done = run_zoo(*COMMAND, "--track", f"{lines}(fails=begin,file=a)", "--track", lines)
    assert [line.split(": ", 1)[1] for line in tracker_lines(done.stderr)][-1] == "2 sent; cat lines.jsonl"
    assert len(assemble(tmp_path / "lines.jsonl")) == 2


def test_tracking_changes_no_number_of_a_run(run_zoo, tmp_path: Path, lines: str) -> None:
    runs = []
    for out, track in (("with", ("--track", lines)), ("without", ())):
        done = run_zoo(*COMMAND, "--out", out, *track)
        runs.append(read_run(tmp_path / done.stdout.splitlines()[-1]))
    tracked, plain = runs
    assert tracked.recorded.fingerprint == plain.recorded.fingerprint
    assert [point.validation_loss for point in tracked.curve] == [point.validation_loss for point in plain.curve]
    assert tracked.result.weights_sha256 == plain.result.weights_sha256


@pytest.mark.parametrize(
    ("tracker", "message"),
    [
        ("mlflov", "Unknown tracker 'mlflov'. Available: mlflow, tensorboard. Did you mean 'mlflow'?"),
        ("mlflow(url=x)", "Tracker 'mlflow': unknown option 'url'. Its options: uri, experiment."),
        ("tensorboard(dir=3)", "Tracker 'tensorboard': dir=3: input should be a valid string. Its options: dir."),
    ],
)
def test_a_tracker_that_does_not_exist_is_refused_before_anything_trains(
    run_zoo, tmp_path: Path, tracker: str, message: str
) -> None:
    done = run_zoo(*COMMAND, "--track", tracker)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["mlflow", "tensorboard"])
def test_a_tracker_without_its_package_says_how_to_install_it(
    run_zoo, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.trackers.find.find_spec", lambda module: None)
    done = run_zoo(*COMMAND, "--track", name)
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(f"which is not installed: pip install 'sequence-zoo[{name}]'.")
    assert not (tmp_path / "runs").exists()


def test_a_class_of_a_notebook_is_refused(lines: str) -> None:
    class Mine(zoo.Tracker):
        pass

    zoo.catalog.TRACKERS.register("mine")(Mine)
    try:
        with pytest.raises(zoo.errors.UsageError, match="registered in this process alone"):
            zoo.train("bigram", data="invented(documents=200)", steps=5, track="mine")
    finally:
        zoo.catalog.TRACKERS.unregister("mine")


@pytest.mark.slow
def test_tracking_starts_no_thread_because_workers_are_forked(run_zoo, monkeypatch: pytest.MonkeyPatch, lines) -> None:
    from zoo.trackers.listener import Tracking

    seen = []
    finished = Tracking.finished

    def look(self, *args, **options):
        seen.append([thread for thread in threading.enumerate() if "zoo.trackers" in repr(type(thread))])
        seen.append(threading.active_count())
        return finished(self, *args, **options)

    monkeypatch.setattr(Tracking, "finished", look)
    before = threading.active_count()
    assert run_zoo(*COMMAND, "--track", lines).returncode == 0
    assert seen == [[], before]


@pytest.mark.slow
def test_an_interrupted_run_is_sent_as_interrupted_and_whole_after_it_was_continued(
    run_process, tmp_path: Path, lines: str
) -> None:
    command = ["train", "bigram", *DATA, "--steps", "2000", "--track", lines]
    child = subprocess.Popen([sys.executable, str(ROOT / "cli.py"), *command], cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not any(call["call"] == "log" for call in read_calls(tmp_path / "lines.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    child.communicate()
    assert child.returncode == 130
    assert read_calls(tmp_path / "lines.jsonl")[-1]["status"] == "interrupted"

    assert run_process(*command).returncode == 0
    (run,) = (path.parent for path in tmp_path.glob("runs/*/*/result.json"))
    sent = assemble(tmp_path / "lines.jsonl")[run.name]
    assert sent["end"]["status"] == "finished"
    curve = [[point.step, point.validation_loss] for point in read_run(run).curve]
    assert sent["numbers"]["loss/validation"] == curve
