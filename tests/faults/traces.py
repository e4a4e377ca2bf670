"""Traces of a command without measured values: two equal commands leave equal traces, byte by byte.

Measured fields of records are set to fixed values, and the report is drawn again from them: table, comparison.json,
page, document and figures of two commands must then have the same bytes. First, the command's own report and printed
table are checked against its records.
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
"""Kind of record -> fields that come from a clock, memory counters or git. All others must be equal."""


def read_traces(folder: Path) -> dict[str, Any]:
    """Path -> content of the files below `folder`/runs, and the table that the last command printed."""
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
        if path.match(STATE):  # the digest in its name covers measured times
            found[path.relative_to(copy).as_posix().rpartition("-")[0]] = read_state(path)
            continue
        found[path.relative_to(copy).as_posix()] = None if path.is_dir() else path.read_bytes()
    shutil.rmtree(copy)
    return found


def read_state(path: Path) -> tuple[Any, dict[str, bytes]]:
    """The values of a run's kept state with measured ones replaced, and the bytes of its tensors."""
    tensors, values = from_file(path.read_bytes())
    parts = {name: tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.dim() else str(tensor).encode()
             for name, tensor in tensors.items()}  # fmt: skip
    return replace_measured(values, {"seconds"}), parts


def find_stale(place: Path, folder: Path) -> Iterator[str]:
    """Yield the files of a report, and the command's table, if they differ from a report drawn now."""
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
    """Yield the page of a run if it differs from a page drawn now."""
    copy, inside = folder / "as it is", page.relative_to(folder)
    shutil.copytree(page.parent, (copy / inside).parent)
    (copy / inside).unlink()
    if run_through(["report", str(inside.with_suffix(""))], copy) or (copy / inside).read_bytes() != page.read_bytes():
        yield str(inside)
    shutil.rmtree(copy)


def read_lines(path: Path) -> list[Any]:
    """The documents of a JSON file, one per line or a single one, with measured values replaced."""
    text = path.read_text()
    kind = "study" if path.name.startswith("study-") else path.name
    parts = text.splitlines() if path.suffix == ".jsonl" else [text]
    return [replace_measured(json.loads(part), MEASURED.get(kind, set())) for part in parts]


def replace_measured(value: Any, measured: set[str]) -> Any:
    """Replace the values of measured fields in a document."""
    if isinstance(value, list):
        return [replace_measured(part, measured) for part in value]
    if not isinstance(value, dict):
        return value
    other = {key: replace_measured(part, measured) for key, part in value.items()}
    return other | {key: substitute(key, value) for key in measured & value.keys()}


def substitute(key: str, document: dict[str, Any]) -> Any:
    """The fixed value of a measured field: a millisecond per step, and the like."""
    if key == "seconds":
        return document.get("steps", document.get("step", 0)) / 1000
    return {"tested_at": "2026-01-01T00:00:00+00:00", "commit": None, "dirty": None, "steps_per_second": {},
            "compile_seconds": 0.0, "peak_bytes": 1_000_000}.get(key, 1000.0)  # fmt: skip


def find_unlike(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names of traces that differ between two commands."""
    lacking = object()
    return [name for name in sorted(expected | found) if expected.get(name, lacking) != found.get(name, lacking)]
