"""Use finished runs of other studies in the same folder: copy the same run, and explain why a similar one is another.

`train` and `compare` have a folder for each study, and the same run may be part of several.
"""

import glob
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from zoo.config import as_json
from zoo.errors import RunError
from zoo.experiments.records.run import LOSSES, WEIGHTS, Recorded, Run, is_done, is_run, read_run
from zoo.experiments.runs.identity import device_name, file_name
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.working_folder import LOCK, work_on
from zoo.surroundings import describe_arithmetic
from zoo.whole_file import write_whole

RESULT = "result.json"
CHOSEN = ("execution", "threads", "device", "checkpoint_every", "watch")
"""Settings of training that a probe or the machine chooses; two runs that differ in no other were asked for alike."""


def copy_same_runs(cells: Sequence[Cell]) -> None:
    """Copy into each study the runs that another study beside it has finished; runs of stacks are not copied."""
    for cell in cells:
        if cell.config.stack or cell.directory.exists():
            continue
        if same := next((run for run in _find_runs(cell, cell.directory.name) if _is_same(run, cell)), None):
            with suppress(OSError, RunError):  # it is trained instead
                _copy(same, cell.directory)


def explain_similar_runs(cells: Sequence[Cell]) -> list[str]:
    """Explain in a line per label why a run that another study has finished with the same settings is another run."""
    lines: dict[str, str] = {}
    for cell in cells:
        label, seed = cell.config.label, cell.config.seed
        if label in lines or cell.config.trial or cell.config.stack or cell.directory.exists():
            continue
        for run in _find_runs(cell, f"{glob.escape(file_name(label))}-seed{seed}-*"):
            if _settings(run.recorded, without=CHOSEN) == _settings(cell.recorded, without=CHOSEN):
                if _is_same(run, cell):
                    break
                if unlike := "; ".join(_list_differences(run, cell)):
                    lines[label] = f"{run.directory} has the same settings and is another run: {unlike}."
    return list(lines.values())


def _find_runs(cell: Cell, pattern: str) -> Iterator[Run]:
    """Yield the undamaged finished runs whose names match `pattern`, in the same place of other studies."""
    within = cell.directory.parent.relative_to(cell.study)
    for place in sorted(cell.study.parent.glob(f"*/{within / pattern}")):
        if place.is_relative_to(cell.study) or not is_run(place) or not is_done(place):
            continue
        with suppress(RunError):
            yield read_run(place)


def _is_same(run: Run, cell: Cell) -> bool:
    """Return whether a run has the fingerprint of a cell and would be recorded alike."""
    if run.recorded.fingerprint != cell.recorded.fingerprint:
        return False
    free = ("execution", "checkpoint_every", "watch")
    return _settings(run.recorded, without=free) == _settings(cell.recorded, without=free)


def _settings(recorded: Recorded, *, without: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a run as JSON, without those of training that are named."""
    config = as_json(recorded.run)
    return {**config, "training": {key: value for key, value in config["training"].items() if key not in without}}


def _list_differences(run: Run, cell: Cell) -> Iterator[str]:
    there, here = run.recorded, cell.recorded
    pairs = {
        "threads": (there.run.training.threads, here.run.training.threads),
        "torch": (run.environment.torch, torch.__version__),
        "device": (run.environment.device, device_name(cell.device)),
        "torch's settings": (run.environment.arithmetic, tuple(describe_arithmetic())),
        "text": (there.data.digest, here.data.digest),
        "model's source": (there.model_source, here.model_source),
        "optimizer's source": (there.optimizer_source, here.optimizer_source),
        "code of the harness": (there.harness, here.harness),
    }
    unlike = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for name, (one, other) in unlike.items():
        yield f"{name} {one} there, {other} here" if name in ("threads", "torch", "device") else f"another {name}"
    if list(unlike) == ["threads"]:
        yield f"with --threads {there.run.training.threads} it is the same"


def _copy(run: Run, directory: Path) -> None:
    """Copy a finished run; its result last, which makes it finished.

    Raises:
        OSError, RunError: a file cannot be read or written or is damaged, or another process executes the run.
    """
    files = sorted((path for path in run.directory.iterdir() if path.is_file()), key=lambda path: path.name == RESULT)
    digests = {WEIGHTS: run.result.weights_sha256, LOSSES: run.result.losses_sha256}
    with work_on(directory) as hidden:
        if any(path.name != LOCK for path in hidden.iterdir()):
            raise RunError(f"'{directory}' was begun here.")
        for path in files:
            data = path.read_bytes()
            if (digest := digests.get(path.name)) and hashlib.sha256(data).hexdigest() != digest:
                raise RunError(f"'{path}' is damaged.")
            write_whole(hidden / path.name, data)
