"""The records of a run. Reports and tables are drawn only from them.

config.json              settings as requested and as resolved (`Recorded`)
curve.jsonl              one `CurvePoint` per line
environment.json         versions, device, threads, commit (`Environment`)
losses.safetensors       summed loss and tokens of every document of validation and test, and of a task the number that
                         are right; details: see `detail.py`
weights.safetensors      the weights that were best on validation
tokenizer.json           the tokenizer of a text of byte pairs, as its library writes it; see `tokenizer.py`
result.json              `Result`, written last: a directory without it is no run
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from safetensors.numpy import save

from zoo.config import Frozen, Recipe, RunConfig, TrainingConfig
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.reading import SCHEMA_VERSION as SCHEMA_VERSION
from zoo.experiments.records.reading import DamagedError, read_equal, read_json, read_lines, read_record, read_scores
from zoo.experiments.records.shared import share, share_fields
from zoo.experiments.records.values import Count, Loss, Operations, Parameters, Seconds, Share, Steps
from zoo.whole_file import write_whole

WEIGHTS, LOSSES, TOKENIZER = "weights.safetensors", "losses.safetensors", "tokenizer.json"
GRID_FOLDER, SEARCH_FOLDER = "lr-grid", "search"
"""Folders of trials within that of a study."""
DIGESTS = "code"
"""Kind of source digests in new records: of code for our modules, of bytes for foreign ones."""

LONGEST_REASON = 10_000
"""Maximum characters of a `reason`; a longer one is written without its middle."""
SPLITS = {"train", "validation", "test"}
NEEDED = {*("batch_size", "optimizer", "schedule", "lr", "weight_decay", "warmup", "clip", "evaluations", "dtype")}
"""Settings of the loop that every record must have; the others are optional."""
GOAL = r"^(answers|accuracy)>=\d+(\.\d+)?$|^excess<=\d+(\.\d+)?$"
"""What solved can mean."""
KNOWN = NEEDED | {"steps", "seconds", "window", "compile"}


class Line(Frozen):
    """What some predictor reaches on the scored tokens of a task."""

    loss: Loss
    accuracy: Share | None = None
    """Share of scored tokens that it predicts right; None if that is unknown."""


class TaskRecord(Frozen):
    """What is known of a task beforehand."""

    length: Annotated[int, Field(ge=1)]
    """T, tokens of a document."""
    documents: Count
    """Number of documents of validation, and of test."""
    floor: Line
    """The best predictor, on the very documents of test."""
    memoryless: Line
    """The best predictor that sees the current token alone, in the mean over documents."""
    lines: dict[str, Line] = Field(default_factory=dict)
    """Other predictors, by what they know."""
    goal: Annotated[str, Field(pattern=GOAL, max_length=60)]
    """What solved means on the test split: "answers>=0.99"; see `zoo.data.task.Goal`."""
    averaged: Count | None = None
    """Number of positions of a document over which published losses average, if not the scored ones."""
    is_next_token: bool = False
    """Whether every target is the next token, as in text."""


class DataRecord(Frozen):
    """The corpus of a run."""

    name: str
    digest: str
    is_stream: bool
    characters: str | None = Field(min_length=1)
    targets: dict[str, Count]
    floor: dict[str, Loss | None]
    tokenizer: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the run's tokenizer.json; None without byte pairs."""
    bytes: dict[str, Count] = Field(default_factory=dict)
    """Split -> number of bytes that its targets stand for; {} for a task, and in older records."""
    task: TaskRecord | None = None
    """Of a task; None for text."""
    has_answers: bool = False
    """Whether documents have targets of their own, which a task or its author gives; False for text."""

    @property
    def has_equal_rows(self) -> bool:
        """Whether all rows of a training batch have one length."""
        return self.is_stream or self.task is not None

    @property
    def can_be_sampled(self) -> bool:
        """Whether a model predicts next tokens, so that texts can be sampled from it."""
        return not self.has_answers or (self.task is not None and self.task.is_next_token)

    @model_serializer(mode="wrap")
    def _omit_what_text_has_not(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Omit what only tasks have, or only text."""
        optional = ("task", "has_answers", "bytes", "tokenizer")
        return {key: value for key, value in dump(self).items() if value or key not in optional}

    @field_validator("characters")
    @classmethod
    def _characters_are_sorted(cls, characters: str | None) -> str | None:
        if characters is not None and any(a >= b for a, b in pairwise(characters)):
            raise ValueError("characters are not those of a vocabulary, each once and in order")
        return characters

    @field_validator("targets", "floor", "bytes")
    @classmethod
    def _of_the_splits(cls, numbers: dict[str, Any], field: ValidationInfo) -> dict[str, Any]:
        if not numbers.keys() <= SPLITS or (field.field_name == "targets" and numbers.keys() != SPLITS):
            raise ValueError(f"'{field.field_name}' has numbers of train, validation and test, and of nothing else")
        return numbers


def _check_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Check that settings are those of a loop."""
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


class Recorded(Frozen):
    """Settings of a run as requested and as resolved."""

    schema_version: int = SCHEMA_VERSION
    fingerprint: str
    run: Annotated[RunConfig, share_fields(RunConfig, "model", "data", "training")]
    data: Annotated[DataRecord, share()]
    model_source: str
    harness: str | None = None
    """Digest of the code that executes every run; None in older records."""
    digests: Literal["files", "code"] = "files"
    """Kind of these two digests: of code, or, in older records, of file names and bytes. Kinds are not comparable."""
    corpus_source: str | None = None
    """Digest of the source of a corpus that is code in a file, `./mine.py:load`; None for others."""
    optimizer_source: str | None = None
    """Digest of the source of the optimizer; None in older records, whose harness has it."""
    settings: Annotated[dict[str, Any], AfterValidator(_check_settings), share()]
    recipe: Annotated[Recipe | None, share()] = None
    """The recipe that gave the settings that nobody set; None in older records."""
    lr_from: Literal["recipe", "setting", "grid", "search"]


class CurvePoint(Frozen):
    """One evaluation during training."""

    step: Steps
    tokens: Count
    seconds: Seconds
    train_loss: Loss | None
    validation_loss: Loss
    auxiliary_loss: Loss | None = None
    """What the model's `auxiliary_loss` added to the training loss, as a mean like it; None if nothing."""
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """What the goal of the task is about, on validation; None unless the run ends when it has solved its task."""


SOMETIMES = ("auxiliary_loss", "score")
"""Fields of a point that few runs have."""


class Environment(Frozen):
    """Environment of a run."""

    zoo: str
    python: str
    torch: str
    platform: str
    device: str
    threads: Annotated[int, Field(ge=1, le=1024)]
    commit: str | None
    dirty: bool | None
    arithmetic: tuple[str, ...] = ()
    """The globals of torch that change numbers, as "torch's default dtype: float32"; empty in older records."""
    processor: Annotated[str, Field(max_length=200)] | None = None
    """Model of the CPU; None in older records, and where the system does not tell."""


class Reproduced(Frozen):
    """Reproduction of the losses of validation and test on inputs that do not contain the targets."""

    cuts: Count
    """Number of rows that were rescored with everything after some token replaced."""
    tokens: Count
    """Number of compared losses."""
    apart: Loss
    """Largest difference in nats."""
    seconds: Seconds


class Result(Frozen):
    """The results of a run. Losses are nats per scored token, with the weights that were best on validation.

    A run is *finished*; *diverged*, which is a result; *pruned*, a trial that ended early; *failed* (an error ended it,
    and the same command tries it again); or *refused* (its scores are not reproducible, so it has none). The last two
    have a `reason`; so has a divergence of the auxiliary loss alone.
    """

    schema_version: int = SCHEMA_VERSION
    status: Literal["finished", "diverged", "pruned", "refused", "failed"]
    reason: str | None = Field(None, max_length=LONGEST_REASON)
    diverged_at: Steps | None = None
    parameters: Parameters
    buffers: Count | None = None
    """Number of buffer elements that training changed; None in older records."""
    receptive_field: Count | None
    steps: Steps
    tokens: Count
    seconds: Seconds
    flops: Operations | None = None
    flops_uncounted: tuple[str, ...] = ()
    """Operations not counted in `flops`, which is then a lower bound; if `flops` is None, the reason."""
    flops_fitted: bool = False
    """Whether `flops` is approximate: it depends on more than rows, tokens and the longest row of a batch."""
    solved_at: Steps | None = None
    """Step after which the run ended because it had solved its task; None otherwise."""
    best_step: Steps | None
    train_loss: Loss | None
    validation_loss: Loss | None
    test_loss: Loss | None
    tested_at: str | None
    accuracy: Share | None = None
    """Share of the scored tokens of test that are predicted right; None for text, where nothing counts as an answer."""
    answers: Share | None = None
    """Share of the documents of test of which every scored token is predicted right; None like `accuracy`."""
    weights_sha256: str = ""
    losses_sha256: str | None = None
    """None in older records, as is `reproduced`."""
    reproduced: Reproduced | None = None
    counted: str | None = Field(None, max_length=LONGEST_REASON)
    """What a model of counts says of its fit, which takes no steps; None for a model that was trained."""
    execution: str = "sequential"
    """How the run was executed: alone, beside others, in a stack; and whether its steps were captured or compiled."""
    compile_seconds: Seconds = 0.0
    """The part of `seconds` that torch.compile took."""


class Run(Frozen):
    """The records of a run as read from its directory."""

    directory: Path
    recorded: Recorded
    environment: Environment
    curve: tuple[CurvePoint, ...]
    result: Result

    @property
    def label(self) -> str:
        """Label of the model in tables."""
        return self.recorded.run.label


def last_auxiliary_loss(curve: Sequence[CurvePoint]) -> float | None:
    """Return the mean auxiliary loss of the last steps of a run; None if its model adds none."""
    return curve[-1].auxiliary_loss if curve else None


def is_run(directory: Path) -> bool:
    """Return whether a directory has a result."""
    return os.path.isfile(f"{directory}{os.sep}result.json")  # unlike Path.is_file, it accepts any text


def is_done(directory: Path) -> bool:
    """Return whether a directory has a run that need not be executed again; a failed one must be."""
    try:
        document = read_json(directory / "result.json")
    except DamagedError:
        return is_run(directory)
    return not (isinstance(document, dict) and document.get("status") == "failed")


def find_runs(directory: Path) -> list[Path]:
    """Find the runs below a directory, sorted, without unfinished ones, whose names begin with a dot."""
    found = []
    for folder, below, files in os.walk(directory):
        below[:] = [name for name in below if not name.startswith(".")]
        if "result.json" in files:
            found.append(folder)
    return [Path(folder) for folder in sorted(found, key=lambda folder: folder.split(os.sep))]


def read_run(directory: Path) -> Run:
    """Read the run in `directory`.

    Raises:
        RunError: there is no run, or its files are damaged or of another schema version.
    """
    if not is_run(directory):
        below = find_runs(directory) if os.path.isdir(directory) else []
        hint = f" It contains runs, such as {below[0]}." if below else " `train` and `compare` write runs."
        what = "is not a finished run" if os.path.isdir(directory) else "does not exist"
        raise RunError(f"'{directory}' {what} (a run has a result.json).{hint}")
    try:
        place = f"{directory}{os.sep}"  # of ten thousand runs a Path for every file takes a quarter of a second
        return Run.model_construct(  # all parts are checked
            directory=directory,
            recorded=read_record(place + "config.json", Recorded),
            environment=read_equal(place + "environment.json", Environment),
            curve=tuple(read_lines(place + "curve.jsonl", CurvePoint)),
            result=read_record(place + "result.json", Result),
        )
    except DamagedError as error:
        reason = f"{error.path.name}: {error.reason}"
        raise RunError(f"Run '{directory}' is damaged: {reason}. Remove it and run it again.") from None


def read_losses(run: Path, split: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read summed loss (D,) and tokens (D,) of every document of a split, of the run in a directory.

    Raises:
        RunError: they cannot be read.
    """
    losses = read_scores(run / LOSSES)
    if f"{split}.nats" not in losses:
        raise DamagedError(run / LOSSES, f"it has no losses of {split}")
    return losses[f"{split}.nats"], losses[f"{split}.tokens"]


def write_losses(path: Path, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Write losses.safetensors, with the same bytes for equal arrays of any memory layout; return its SHA-256.

    safetensors alone would write the raw memory of arrays that are strided, transposed or in another byte order.
    """
    plain = {name: np.ascontiguousarray(array, array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    data = save(plain)
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: BaseModel) -> None:
    """Write one record as indented JSON, atomically."""
    write_whole(path, json.dumps(value.model_dump(mode="json"), indent=2, allow_nan=False) + "\n")


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """Write one point per line, atomically; the fields of `SOMETIMES` only where there is a value."""
    lines = [
        point.model_dump_json(exclude={name for name in SOMETIMES if getattr(point, name) is None}) for point in curve
    ]
    write_whole(path, "".join(line + "\n" for line in lines))
