"""What a run leaves behind, with a schema version. Reports and tables are drawn from these records alone.

config.json              what was asked, and what it came to (`Recorded`)
curve.jsonl              one `CurvePoint` a line
environment.json         versions, device, threads, commit (`Environment`)
losses.safetensors       summed loss and tokens of every document of validation and test; more: see `detail.py`
weights.safetensors      the weights that were best on validation
result.json              `Result`, written last: a directory without it is no run
"""

import fnmatch
import hashlib
import json
import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from safetensors.numpy import save

from zoo.config import Frozen, RunConfig, TrainingConfig
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.reading import SCHEMA_VERSION as SCHEMA_VERSION
from zoo.experiments.records.reading import DamagedError, read_json, read_lines, read_record, read_scores
from zoo.experiments.records.values import Count, Loss, Operations, Parameters, Seconds, Steps
from zoo.whole_file import write_whole

WEIGHTS, LOSSES = "weights.safetensors", "losses.safetensors"
DIGESTS = "code"
"""How the digests of sources in new records are taken: ours of code, strangers' of bytes."""

LONGEST_REASON = 10_000
"""Most characters of why a run failed or is refused; a longer one is written without its middle."""
SPLITS = {"train", "validation", "test"}
NEEDED = {*("batch_size", "optimizer", "schedule", "lr", "weight_decay", "warmup", "clip", "evaluations", "dtype")}
"""The settings of a loop that every record has; the rest may be left out."""
KNOWN = NEEDED | {"steps", "seconds", "window", "compile"}


class DataRecord(Frozen):
    """The corpus as it was."""

    name: str
    digest: str
    is_stream: bool
    characters: str | None = Field(min_length=1)
    targets: dict[str, Count]
    floor: dict[str, Loss | None]

    @field_validator("characters")
    @classmethod
    def _characters_are_sorted(cls, characters: str | None) -> str | None:
        if characters is not None and any(a >= b for a, b in pairwise(characters)):
            raise ValueError("characters are not those of a vocabulary, each once and in order")
        return characters

    @field_validator("targets", "floor")
    @classmethod
    def _of_the_splits(cls, numbers: dict[str, Any], field: ValidationInfo) -> dict[str, Any]:
        if not numbers.keys() <= SPLITS or (field.field_name == "targets" and numbers.keys() != SPLITS):
            raise ValueError(f"'{field.field_name}' has numbers of train, validation and test, and of nothing else")
        return numbers


class Recorded(Frozen):
    """What was asked, and what it came to."""

    schema_version: int = SCHEMA_VERSION
    fingerprint: str
    run: RunConfig
    data: DataRecord
    model_source: str
    harness: str | None = None
    """Digest of the code that every run passes through; None in records of before it was kept."""
    digests: Literal["files", "code"] = "files"
    """How the two are taken: of code, or, in older records, of names and bytes of all files. They do not compare."""
    corpus_source: str | None = None
    """Digest of the source of a corpus that is a file of code, `./mine.py:load`; None of all others."""
    settings: dict[str, Any]
    lr_from: Literal["recipe", "setting", "grid"]

    @field_validator("settings")
    @classmethod
    def _settings_are_those_of_a_loop(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if lacking := sorted(NEEDED - {name for name, value in settings.items() if value is not None}):
            raise ValueError(f"settings lack '{lacking[0]}'")
        if unknown := sorted(settings.keys() - KNOWN):
            raise ValueError(f"settings have '{unknown[0]:.40}', which no loop has")
        window = {"length" if name == "window" else name: value for name, value in settings.items()}
        try:
            TrainingConfig.model_validate(window, strict=True)
        except ValidationError as error:
            raise ValueError(f"of the settings {describe_faults(error)}") from None
        return settings


class CurvePoint(Frozen):
    """One evaluation during training."""

    step: Steps
    tokens: Count
    seconds: Seconds
    train_loss: Loss | None
    validation_loss: Loss


class Environment(Frozen):
    """Where it ran."""

    zoo: str
    python: str
    torch: str
    platform: str
    device: str
    threads: Annotated[int, Field(ge=1, le=1024)]
    commit: str | None
    dirty: bool | None
    arithmetic: tuple[str, ...] = ()
    """The globals of torch that change numbers, "torch's default dtype: float32"; older records say nothing of them."""


class Reproduced(Frozen):
    """How the losses of validation and test came out again where the model could not peek."""

    cuts: Count
    """Rows that were scored again with everything after some token replaced."""
    tokens: Count
    """Losses that were compared."""
    apart: Loss
    """The largest difference, nats."""
    seconds: Seconds


class Result(Frozen):
    """The numbers. Losses are nats a token, of the weights that were best on validation.

    A run is *finished*; *diverged*, which is a result; *failed* for a `reason`: an error ended it, and the same command
    tries it again; or *refused* for a `reason`: its scores cannot be believed, and
    it has none.
    """

    schema_version: int = SCHEMA_VERSION
    status: Literal["finished", "diverged", "refused", "failed"]
    reason: str | None = Field(None, max_length=LONGEST_REASON)
    diverged_at: Steps | None = None
    parameters: Parameters
    buffers: Count | None = None
    """Numbers beside the parameters that training changed; None in records of before they were counted."""
    receptive_field: Count | None
    steps: Steps
    tokens: Count
    seconds: Seconds
    flops: Operations | None = None
    flops_uncounted: tuple[str, ...] = ()
    """What ran and is not in `flops`, which are then at least so many; where there are none, why."""
    flops_fitted: bool = False
    """`flops` are about so many: they depend on more than rows, tokens and the longest row of a batch."""
    best_step: Steps | None
    train_loss: Loss | None
    validation_loss: Loss | None
    test_loss: Loss | None
    tested_at: str | None
    weights_sha256: str = ""
    losses_sha256: str | None = None
    """None in records of before it was kept; so are the two below."""
    reproduced: Reproduced | None = None
    execution: str = "sequential"
    """How it was executed: by itself, beside others, in a stack; and whether its steps were recorded or compiled."""
    compile_seconds: Seconds = 0.0
    """Of `seconds`, those that torch.compile took."""


class Run(Frozen):
    """A run, read back."""

    directory: Path
    recorded: Recorded
    environment: Environment
    curve: tuple[CurvePoint, ...]
    result: Result

    @property
    def label(self) -> str:
        return self.recorded.run.label


def is_run(directory: Path) -> bool:
    """A directory with a result in it."""
    return os.path.isfile(directory / "result.json")  # which, unlike Path.is_file, takes any text


def is_done(directory: Path) -> bool:
    """A directory with a run that need not be executed again: one that failed is."""
    try:
        document = read_json(directory / "result.json")
    except DamagedError:
        return is_run(directory)
    return not (isinstance(document, dict) and document.get("status") == "failed")


def find_runs(directory: Path) -> list[Path]:
    """The runs below a directory, sorted; half-written ones (their names begin with a dot) are none."""
    found = (path.parent for path in directory.glob("**/result.json"))
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(directory).parts))


def list_runs(out: str, pattern: str) -> list[dict[str, Any]]:
    """A row a run below `out` whose path there matches the shell pattern; a damaged one has its fault for a status."""
    rows = []
    for path in find_runs(Path(out)):
        name = str(path.relative_to(out))
        if not fnmatch.fnmatchcase(name, pattern):
            continue
        try:
            run = read_run(path)
        except RunError as error:
            rows.append({"run": name, "status": "damaged", "fault": str(error)})
            continue
        chosen = run.result.model_dump(include={"status", "validation_loss", "test_loss", "parameters", "tokens"})
        rows.append({"run": name, "corpus": run.recorded.data.name, **chosen})
    return rows


def read_run(directory: Path) -> Run:
    """The run in `directory`.

    Raises:
        RunError: it is none, or its files are damaged or of another schema version.
    """
    if not is_run(directory):
        below = find_runs(directory) if os.path.isdir(directory) else []
        hint = f" It holds some, such as {below[0]}." if below else " `train` and `compare` write them."
        what = "is no finished run" if os.path.isdir(directory) else "does not exist"
        raise RunError(f"'{directory}' {what} (a run has a result.json).{hint}")
    try:
        return Run(
            directory=directory,
            recorded=read_record(directory / "config.json", Recorded),
            environment=read_record(directory / "environment.json", Environment),
            curve=tuple(read_lines(directory / "curve.jsonl", CurvePoint)),
            result=read_record(directory / "result.json", Result),
        )
    except DamagedError as error:
        reason = f"{error.path.name}: {error.reason}"
        raise RunError(f"Run '{directory}' is damaged: {reason}. Remove it and run it again.") from None


def read_losses(run: Path, split: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summed loss (D,) and tokens (D,) of every document of a split, as the run in a directory stored them.

    Raises:
        RunError: they cannot be read.
    """
    losses = read_scores(run / LOSSES)
    if f"{split}.nats" not in losses:
        raise DamagedError(run / LOSSES, f"it has no losses of {split}")
    return losses[f"{split}.nats"], losses[f"{split}.tokens"]


def write_losses(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write losses.safetensors, the same bytes for the same numbers however they lie in memory; returns its SHA-256.

    safetensors would write the memory of an array that is strided, transposed or in another byte order as it is.
    """
    plain = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    data = save(plain)
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: BaseModel) -> None:
    """One record, indented, there whole or not at all."""
    write_whole(path, json.dumps(value.model_dump(mode="json"), indent=2, allow_nan=False) + "\n")


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """One point a line."""
    write_whole(path, "".join(point.model_dump_json() + "\n" for point in curve))
