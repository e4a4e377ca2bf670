"""What a comparison leaves in its folder beside the runs: what was asked, which runs answer it, what was probed.

study-<fingerprint>.json     `StudyRecord`; a report is drawn from it and from the runs that it names
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from zoo.config import Frozen, Way, as_json
from zoo.errors import RunError
from zoo.experiments.records.reading import SCHEMA_VERSION, DamagedError, read_json, read_record
from zoo.experiments.records.run import Run, read_run, write_json
from zoo.experiments.records.values import Amount, Count, Parameters
from zoo.experiments.study.config import Matched, StudyConfig

COMPARISON = "comparison.json"


def _stay_below(place: str) -> str:
    """A run of a study stands below the study's folder: nothing is read outside of it."""
    parts = PurePosixPath(place).parts
    if not parts or parts[0] == "/" or ".." in parts or PureWindowsPath(place).anchor or "\0" in place:
        raise ValueError("it is not the place of a run below the folder of the study")
    return place


def _each_once(places: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(places)) < len(places):
        raise ValueError("a run stands in it twice")
    return places


Place = Annotated[str, AfterValidator(_stay_below)]
Places = Annotated[tuple[Place, ...], AfterValidator(_each_once)]


class Cost(Frozen):
    """What a model costs, measured by a probe while nothing else runs; None where it could not be measured.

    A position is one that a loss could be asked at: every one of a whole row, the padding of documents included, and
    the last one of a window. A target token is one that a loss is asked at.
    """

    parameters: Parameters
    buffers: Count | None = None
    """Numbers beside the parameters that a step of training changes."""
    flops_forward: Amount | None
    """A position of a training batch, forward."""
    flops_training: Amount | None
    """A position of a training batch, forward and backward."""
    flops_uncounted: tuple[str, ...] = ()
    """What runs and is not in them: they are at least so many."""
    flops_fitted: bool = False
    """They are about so many."""
    train_tokens_per_second: Amount | None
    """Target tokens; drawing the batch, forward, backward and update."""
    evaluation_tokens_per_second: Amount | None
    """Target tokens, of validation."""
    peak_bytes: Count | None
    """Memory that building and training takes at its peak."""
    memory: Literal["CUDA", "RSS"]
    """What `peak_bytes` is of."""
    state_bytes: Count | None
    """Of one stream after `state_tokens` tokens."""
    state_tokens: Count
    state_grows: bool | None
    """Whether twice the tokens take more."""
    receptive_field: Count | None
    """As a probe of `probed_tokens` found it; None: all of them."""
    probed_tokens: Count | None
    """None: the field could not be probed."""
    declared_field: Count | None
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
    rounds: tuple[tuple[float, ...], ...] = ()
    """Of a grid of learning rates that was extended: the rates of each round, the first one the grid itself."""
    trials: Places = ()
    runs: Annotated[Places, Field(min_length=1)]
    looked: tuple[Count, ...] = ()
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
    with suppress(DamagedError, KeyError, TypeError):
        named = shown.parent / Path(read_json(shown)["record"]).name
        if os.path.isfile(named):
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
        return read_record(path, StudyRecord)
    except DamagedError as error:
        raise RunError(f"'{path}' is no record of a comparison: {error.reason}.") from None
