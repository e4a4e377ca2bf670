"""Fixtures of the tracker tests: two small studies, and a tracker that writes lines."""

import json
from pathlib import Path
from typing import Any

import pytest

import zoo

DATA = ("--data", "invented(documents=200)")
LINES = '''
import json
from pathlib import Path

from zoo import Tracker, TrackerOptions


class Lines(Tracker):
    """Writes a line for every call."""

    class Config(TrackerOptions):
        file: str = "lines.jsonl"
        fails: str = ""

    def __init__(self, config, folder):
        super().__init__(config, folder)
        self.path = Path(config.file)
        self.where = f"cat {config.file}"

    def has(self, run, digest):
        calls = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []
        return any(call["call"] == "end" and call["digest"] == digest for call in calls)

    def begin(self, run):
        self.write("begin", run, kind=run.kind, settings=dict(run.settings))

    def log(self, run, points):
        self.write("log", run, points=[[point.step, dict(point.values)] for point in points])

    def end(self, run, ending):
        self.write("end", run, status=ending.status, digest=ending.digest, numbers=dict(ending.numbers),
                   tags=dict(ending.tags), texts=dict(ending.texts), files=dict(ending.files))

    def write(self, call, run, **values):
        if call in self.config.fails:
            raise ConnectionError(f"no {call} at http://user:secret@nowhere")
        with self.path.open("a") as file:
            print(json.dumps({"call": call, "name": run.name, "group": run.group, **values}), file=file)
'''


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison of two models under two seeds, of which the signals were watched."""
    out = tmp_path_factory.mktemp("studies")
    settings = {"data": "invented(documents=200)", "steps": 12, "watch": True}
    return zoo.compare(["bigram", "mlp"], seeds=2, out=out, progress=False, **settings).directory


@pytest.fixture
def lines(tmp_path: Path) -> str:
    """A tracker in a user's file."""
    (tmp_path / "lines.py").write_text(LINES)
    return "./lines.py:Lines"


def read_calls(path: Path) -> list[dict[str, Any]]:
    """The calls that the tracker of `lines` got."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def assemble(path: Path) -> dict[str, Any]:
    """Name of a run -> all that it has in the end, as the tracker of `lines` stores it."""
    runs: dict[str, Any] = {}
    for call in read_calls(path):
        if call["call"] == "begin":
            runs[call["name"]] = {"begin": call, "numbers": {}}
        elif call["call"] == "log":
            for step, values in call["points"]:
                for key, value in values.items():
                    runs[call["name"]]["numbers"].setdefault(key, []).append([step, value])
        else:
            runs[call["name"]]["end"] = call
    return runs
