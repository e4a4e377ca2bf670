"""A tracker in a user's file, which writes a line for every call, and what reads them."""

import json
from pathlib import Path
from typing import Any

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
