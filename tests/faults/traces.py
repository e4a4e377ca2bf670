"""What a command left behind, without what was measured: two that did the same leave the same, byte by byte.

Of records measured times are set to what no clock says, and the report is drawn again from those: table,
comparison.json, page, document and figures of two commands must then be the same bytes. That a command left the report
of its own records, and printed their table, is looked at before.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.faults.commands import STDOUT, run_through
from zoo.experiments.runs.checkpoints import STATE
from zoo.training.tensor_file import from_file

MEASURED = {
    "curve.jsonl": {"seconds"},
    "result.json": {"seconds", "compile_seconds", "tested_at"},
    "study": {"train_tokens_per_second", "evaluation_tokens_per_second", "peak_bytes"},
    "ways.json": {"steps_per_second"},
    "environment.json": {"commit", "dirty"},
}
"""The fields of each kind of record that a clock, the memory's counters or git tell. All else must come out again."""


def read_traces(folder: Path) -> dict[str, Any]:
    """Path -> content of what commands left below `folder`/runs, and the table that the last one printed."""
    found: dict[str, Any] = {}
    reported = sorted(path.parent for path in (folder / "runs").rglob("report.html"))
    for place in reported:
        found |= {f"{name} is not of its records": None for name in find_stale(place, folder)}
    pages = sorted(path for path in (folder / "runs").rglob("*.html") if path.with_suffix("").is_dir())
    for page in pages:
        found |= {f"{name} is not of its records": None for name in find_stale_page(page, folder)}
    copy = folder / "copy"
    shutil.copytree(folder / "runs", copy / "runs")
    for path in (copy / "runs").rglob("*"):
        if path.suffix in (".json", ".jsonl") and path.name != "comparison.json":
            path.write_text("\n".join(json.dumps(line) for line in read_lines(path)) + "\n")
    for place in reported:
        again = copy / place.relative_to(folder)
        for path in again.rglob("*.svg"):
            path.unlink()
        code = run_through(["report", str(again.relative_to(copy))], copy)
        found[f"{place.relative_to(folder)} as a table"] = (code, (copy / STDOUT).read_bytes())
    for page in pages:
        code = run_through(["report", str(page.relative_to(folder).with_suffix(""))], copy)
        found[f"{page.relative_to(folder)} in words"] = (code, (copy / STDOUT).read_bytes())
    for path in sorted((copy / "runs").rglob("*")):
        if path.match(STATE):  # its digest is of measured times too
            found[path.relative_to(copy).as_posix().rpartition("-")[0]] = read_state(path)
            continue
        found[path.relative_to(copy).as_posix()] = None if path.is_dir() else path.read_bytes()
    shutil.rmtree(copy)
    return found


def read_state(path: Path) -> tuple[Any, dict[str, bytes]]:
    """The values of the state that is kept with a run, as if nothing had been measured, and its tensors' bytes."""
    tensors, values = from_file(path.read_bytes())
    parts = {name: tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.dim() else str(tensor).encode()
             for name, tensor in tensors.items()}  # fmt: skip
    return replace_measured(values, {"seconds"}), parts


def find_stale(place: Path, folder: Path) -> Iterator[str]:
    """The files of a report, and the table of the command, that are not what is drawn from the records now."""
    copy, inside = folder / "as it is", place.relative_to(folder)
    shutil.copytree(place, copy / inside)
    if run_through(["report", str(inside)], copy) or (copy / STDOUT).read_bytes() != (folder / STDOUT).read_bytes():
        yield STDOUT
    for path in sorted(place.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not ((copy / name).is_file() and path.read_bytes() == (copy / name).read_bytes()):
            yield str(name)
    shutil.rmtree(copy)


def find_stale_page(page: Path, folder: Path) -> Iterator[str]:
    """The page of a run, if it is not what is drawn from the records now."""
    copy, inside = folder / "as it is", page.relative_to(folder)
    shutil.copytree(page.parent, (copy / inside).parent)
    (copy / inside).unlink()
    if run_through(["report", str(inside.with_suffix(""))], copy) or (copy / inside).read_bytes() != page.read_bytes():
        yield str(inside)
    shutil.rmtree(copy)


def read_lines(path: Path) -> list[Any]:
    """The documents of a JSON file, a line each or one in all, as if nothing had been measured."""
    text = path.read_text()
    kind = "study" if path.name.startswith("study-") else path.name
    parts = text.splitlines() if path.suffix == ".jsonl" else [text]
    return [replace_measured(json.loads(part), MEASURED.get(kind, set())) for part in parts]


def replace_measured(value: Any, measured: set[str]) -> Any:
    """The same document, with other values in the fields that were measured."""
    if isinstance(value, list):
        return [replace_measured(part, measured) for part in value]
    if not isinstance(value, dict):
        return value
    other = {key: replace_measured(part, measured) for key, part in value.items()}
    return other | {key: substitute(key, value) for key in measured & value.keys()}


def substitute(key: str, document: dict[str, Any]) -> Any:
    """What stands in a measured field of every run: a millisecond a step, and the like."""
    if key == "seconds":
        return document.get("steps", document.get("step", 0)) / 1000
    return {"tested_at": "2026-01-01T00:00:00+00:00", "commit": None, "dirty": None, "steps_per_second": {},
            "compile_seconds": 0.0, "peak_bytes": 1_000_000}.get(key, 1000.0)  # fmt: skip


def find_unlike(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names under which two commands left something else."""
    lacking = object()
    return [name for name in sorted(expected | found) if expected.get(name, lacking) != found.get(name, lacking)]
