"""What a comparison leaves in its folder beside the runs: what was asked, which runs answer it, what was probed.

study-<fingerprint>.json     `StudyRecord`; a report is drawn from it and from the runs that it names
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from zoo.config import Frozen, Way, as_json
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.run import SCHEMA_VERSION, Run, read_run, write_json
from zoo.experiments.study.config import Matched, StudyConfig

COMPARISON = "comparison.json"


class Cost(Frozen):
    """What a model costs, measured by a probe while nothing else runs; None where it could not be measured.

    A position is one that a loss could be asked at: every one of a whole row, the padding of documents included, and
    the last one of a window. A target token is one that a loss is asked at.
    """

    parameters: int
    buffers: int | None = None
    """Numbers beside the parameters that a step of training changes."""
    flops_forward: float | None
    """A position of a training batch, forward."""
    flops_training: float | None
    """A position of a training batch, forward and backward."""
    flops_uncounted: tuple[str, ...] = ()
    """What runs and is not in them: they are at least so many."""
    flops_fitted: bool = False
    """They are about so many."""
    train_tokens_per_second: float | None
    """Target tokens; drawing the batch, forward, backward and update."""
    evaluation_tokens_per_second: float | None
    """Target tokens, of validation."""
    peak_bytes: int | None
    """Memory that building and training takes at its peak."""
    memory: Literal["CUDA", "RSS"]
    """What `peak_bytes` is of."""
    state_bytes: int | None
    """Of one stream after `state_tokens` tokens."""
    state_tokens: int
    state_grows: bool | None
    """Whether twice the tokens take more."""
    receptive_field: int | None
    """As a probe of `probed_tokens` found it; None: all of them."""
    probed_tokens: int | None
    """None: the field could not be probed."""
    declared_field: int | None
    """As the model declares it; None: without bound."""
    unmeasured: Mapping[str, str] = Field(default_factory=dict)
    """What could not be measured -> why."""

    @property
    def field_agrees(self) -> bool | None:
        """Whether the probe found what the model declares; None where it could not look."""
        return None if self.probed_tokens is None else self.receptive_field == self.declared_field


class StudyRecord(Frozen):
    """A comparison, run."""

    schema_version: int = SCHEMA_VERSION
    study: StudyConfig
    matched: Mapping[str, Matched] = Field(default_factory=dict)
    ways: Mapping[str, Way] = Field(default_factory=dict)
    """Label -> how its runs were executed; none in records of when all were sequential."""
    trials: tuple[str, ...] = ()
    runs: tuple[str, ...]
    looked: tuple[int, ...] = ()
    """Seeds of earlier comparisons, the same but for fewer seeds, that were looked at before this one was run."""
    costs: Mapping[str, Cost] = Field(default_factory=dict)
    samples: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)

    def read_runs(self, directory: Path) -> list[Run]:
        """The runs of the comparison, in its order.

        Raises:
            RunError: one is not there, or damaged.
        """
        return [read_run(directory / name) for name in self.runs]

    def read_trials(self, directory: Path) -> list[Run]:
        """The runs that chose the learning rates.

        Raises:
            RunError: one is not there, or damaged.
        """
        return [read_run(directory / name) for name in self.trials]


FIRST = {
    "data": {"corpus", "documents", "tokens", "split_seed", "dedupe"},
    "training": {
        *("steps", "tokens", "seconds", "flops", "batch_size", "rows", "length", "optimizer", "schedule", "lr"),
        *("weight_decay", "warmup", "clip", "evaluations", "score_train", "device", "dtype", "compile", "threads"),
        "execution",
    },
}
"""The settings that every record has. A later one is part of a record's name only where it is not at its default, so
that older records keep theirs; nothing is ever added here."""


def describe_study(study: StudyConfig) -> dict[str, Any]:
    """What a study is known by: its values, but for settings that came later and are at their default."""
    document = study.model_dump(mode="json")
    for table, first in FIRST.items():
        usual = as_json(StudyConfig.model_fields[table].default)
        document[table] = {
            key: value for key, value in document[table].items() if key in first or value != usual.get(key)
        }
    return document


def write_study(path: Path, record: StudyRecord) -> None:
    """The record, there whole or not at all."""
    write_json(path, record)


def find_study(directory: Path) -> Path:
    """The record that the comparison.json of a study's folder was drawn from, else the newest one there.

    The comparison.json may be named itself, and so may the record.

    Raises:
        RunError: there is none.
    """
    if directory.is_file() and directory.name != COMPARISON:
        return directory
    shown = directory if directory.is_file() else directory / COMPARISON
    with suppress(OSError, ValueError, KeyError, TypeError):
        named = shown.parent / Path(json.loads(shown.read_text())["record"]).name
        if named.is_file():
            return named
    found = sorted(directory.glob("study-*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        below = sorted(directory.glob("*/study-*.json")) if directory.is_dir() else []
        hint = f" It holds some, such as {below[0].parent}." if below else " `compare` writes them."
        what = "holds no comparison" if directory.is_dir() else "does not exist"
        raise RunError(f"'{directory}' {what} (study-*.json).{hint}")
    return found[-1]


def read_study(path: Path) -> StudyRecord:
    """The record in a file.

    Raises:
        RunError: it cannot be read, or is of another schema version.
    """
    try:
        document = json.loads(path.read_text())
        version = document.get("schema_version", SCHEMA_VERSION) if isinstance(document, dict) else None
        if version != SCHEMA_VERSION:
            raise ValueError(f"it has schema version {version}, this zoo reads {SCHEMA_VERSION}")
        return StudyRecord.model_validate(document)
    except (OSError, ValueError) as error:
        reason = describe_faults(error) if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise RunError(f"'{path}' is no record of a comparison: {reason}.") from None
