"""What a run leaves behind, with a schema version. Reports and tables are drawn from these records alone.

config.json              what was asked, and what it came to (`Recorded`)
curve.jsonl              one `CurvePoint` a line
environment.json         versions, device, threads, commit (`Environment`)
losses.safetensors       summed loss and tokens of every document of validation and test
weights.safetensors      the weights that were best on validation
result.json              `Result`, written last: a directory without it is no run
"""

import fnmatch
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from zoo.config import Frozen, RunConfig
from zoo.errors import RunError, describe_faults
from zoo.whole_file import write_whole

SCHEMA_VERSION = 1
WEIGHTS, LOSSES = "weights.safetensors", "losses.safetensors"
DIGESTS = "code"
"""How the digests of sources in new records are taken: ours of code, strangers' of bytes."""

Record = TypeVar("Record", bound=BaseModel)


class DataRecord(Frozen):
    """The corpus as it was."""

    name: str
    digest: str
    is_stream: bool
    characters: str | None
    targets: dict[str, int]
    floor: dict[str, float | None]


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


class CurvePoint(Frozen):
    """One evaluation during training."""

    step: int
    tokens: int
    seconds: float
    train_loss: float | None
    validation_loss: float


class Environment(Frozen):
    """Where it ran."""

    zoo: str
    python: str
    torch: str
    platform: str
    device: str
    threads: int
    commit: str | None
    dirty: bool | None
    arithmetic: tuple[str, ...] = ()
    """The globals of torch that change numbers, "torch's default dtype: float32"; older records say nothing of them."""


class Reproduced(Frozen):
    """How the losses of validation and test came out again where the model could not peek."""

    cuts: int
    """Rows that were scored again with everything after some token replaced."""
    tokens: int
    """Losses that were compared."""
    apart: float
    """The largest difference, nats."""
    seconds: float


class Result(Frozen):
    """The numbers. Losses are nats a token, of the weights that were best on validation.

    A run is *finished*; *diverged*, which is a result; *failed* for a `reason`: an error ended it, and the same command
    tries it again; or *refused* for a `reason`: its scores cannot be believed, and
    it has none.
    """

    schema_version: int = SCHEMA_VERSION
    status: Literal["finished", "diverged", "refused", "failed"]
    reason: str | None = None
    diverged_at: int | None = None
    parameters: int
    buffers: int | None = None
    """Numbers beside the parameters that training changed; None in records of before they were counted."""
    receptive_field: int | None
    steps: int
    tokens: int
    seconds: float
    flops: int | None = None
    flops_uncounted: tuple[str, ...] = ()
    """What ran and is not in `flops`, which are then at least so many; where there are none, why."""
    flops_fitted: bool = False
    """`flops` are about so many: they depend on more than rows, tokens and the longest row of a batch."""
    best_step: int | None
    train_loss: float | None
    validation_loss: float | None
    test_loss: float | None
    tested_at: str | None
    weights_sha256: str = ""
    losses_sha256: str | None = None
    """None in records of before it was kept; so are the two below."""
    reproduced: Reproduced | None = None
    execution: str = "sequential"
    """How it was executed: by itself, beside others, in a stack; and whether its steps were recorded or compiled."""
    compile_seconds: float = 0.0
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
    return (directory / "result.json").is_file()


def is_done(directory: Path) -> bool:
    """A directory with a run that need not be executed again: one that failed is."""
    try:
        return bool(json.loads((directory / "result.json").read_bytes())["status"] != "failed")
    except (OSError, ValueError, KeyError, TypeError):
        return is_run(directory)


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
        below = find_runs(directory) if directory.is_dir() else []
        hint = f" It holds some, such as {below[0]}." if below else " `train` and `compare` write them."
        what = "is no finished run" if directory.is_dir() else "does not exist"
        raise RunError(f"'{directory}' {what} (a run has a result.json).{hint}")
    try:
        curve = [CurvePoint.model_validate_json(line) for line in (directory / "curve.jsonl").read_text().splitlines()]
        return Run(
            directory=directory,
            recorded=_read(directory / "config.json", Recorded),
            environment=_read(directory / "environment.json", Environment),
            curve=tuple(curve),
            result=_read(directory / "result.json", Result),
        )
    except (OSError, ValidationError, ValueError) as error:
        reason = describe_faults(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise RunError(f"Run '{directory}' is damaged: {reason}. Remove it and run it again.") from None


def read_losses(run: Path, split: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Summed loss (D,) and tokens (D,) of every document of a split, as the run in a directory stored them.

    Raises:
        RunError: they cannot be read.
    """
    try:
        losses = load_file(run / LOSSES)
        return losses[f"{split}.nats"], losses[f"{split}.tokens"]
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"The losses of the documents of '{run}' cannot be read: {error}") from None


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


def _read(path: Path, kind: type[Record]) -> Record:
    data = json.loads(path.read_text())
    version = data.get("schema_version", SCHEMA_VERSION) if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise ValueError(f"{path.name} has schema version {version}, this zoo reads {SCHEMA_VERSION}")
    return kind.model_validate(data)
