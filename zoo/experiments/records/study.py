"""The record of a comparison: its settings, its runs, and its measured costs and samples.

study-<fingerprint>.json     `StudyRecord`; a report is drawn from it and from the runs that it names
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from zoo.config import Frozen, Way, as_json
from zoo.errors import RunError
from zoo.experiments.records.lengths import LengthScore
from zoo.experiments.records.reading import SCHEMA_VERSION, DamagedError, read_json, read_record
from zoo.experiments.records.run import Run, read_run, write_json
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.records.values import Amount, Count, Parameters, Place
from zoo.experiments.study.config import Matched, StudyConfig

COMPARISON = "comparison.json"


def _each_once(places: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(places)) < len(places):
        raise ValueError("it lists a run twice")
    return places


def _each_factor_once(scores: tuple[LengthScore, ...]) -> tuple[LengthScore, ...]:
    factors = [score.factor for score in scores]
    if factors != sorted(set(factors)):
        raise ValueError("the factors of its lengths are not ascending, each once")
    return scores


Places = Annotated[tuple[Place, ...], AfterValidator(_each_once)]


class Cost(Frozen):
    """Cost of a model, measured while nothing else runs; None where a measurement failed.

    A target token is a position that has a loss: every one of a document or stream, the last one of a window.
    """

    parameters: Parameters
    buffers: Count | None = None
    """Number of buffer elements that a training step changes."""
    flops_forward: Amount | None
    """FLOPs per target token of the first training batches, forward."""
    flops_training: Amount | None
    """FLOPs per target token of the first training batches, forward and backward."""
    flops_uncounted: tuple[str, ...] = ()
    """Operations that run uncounted, so that the FLOPs are a lower bound."""
    flops_fitted: bool = False
    """Whether the FLOPs are approximate."""
    train_tokens_per_second: Amount | None
    """Target tokens per second of drawing the batch, forward, backward and update."""
    evaluation_tokens_per_second: Amount | None
    """Target tokens of validation per second."""
    peak_bytes: Count | None
    """Peak memory of building and training."""
    memory: Literal["CUDA", "RSS"]
    """Kind of memory in `peak_bytes`."""
    state_bytes: Count | None
    """Size of the state of one stream after `state_tokens` tokens."""
    state_tokens: Count
    state_grows: bool | None
    """Whether the state is larger after twice the tokens."""
    receptive_field: Count | None
    """Measured with a probe of `probed_tokens`; None: all of them."""
    probed_tokens: Count | None
    """None if the receptive field could not be measured."""
    declared_field: Count | None
    """Declared receptive field; None: unbounded."""
    unmeasured: Mapping[str, str] = Field(default_factory=dict)
    """Failed measurement -> reason."""

    @property
    def field_agrees(self) -> bool | None:
        """Whether the measured receptive field equals the declared one; None if it was not measured."""
        return None if self.probed_tokens is None else self.receptive_field == self.declared_field


class Xz(Frozen):
    """What `xz -9` takes for the test text after the training text: see `zoo.data.compression`."""

    bits_per_byte: Amount
    nats_per_token: Amount


class Look(Frozen):
    """An earlier comparison of the same models, under some of the same seeds."""

    record: str = ""
    """Name of its record; empty in older records."""
    seeds: tuple[Count, ...]
    """Numbers of seeds at which it was judged."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Its error rate."""

    @model_validator(mode="before")
    @classmethod
    def _accept_a_number(cls, value: Any) -> Any:
        """Read a look of older records: a number of seeds."""
        return {"seeds": (value,)} if isinstance(value, int) else value


class StudyRecord(Frozen):
    """The record of a comparison that has run."""

    schema_version: int = SCHEMA_VERSION
    study: StudyConfig
    matched: Mapping[str, Matched] = Field(default_factory=dict)
    ways: Mapping[str, Way] = Field(default_factory=dict)
    """Label -> how its runs were executed; empty in older records, where all were sequential."""
    rounds: tuple[tuple[float, ...], ...] = ()
    """Rates of each round of an extended learning-rate grid; the first round is the grid itself."""
    trials: Places = ()
    runs: Annotated[Places, Field(min_length=1)]
    untuned: Places = ()
    """Runs of the models as written, with which those of a search are compared."""
    searches: Mapping[str, SearchRecord] = Field(default_factory=dict)
    """Label -> the search of its settings."""
    looked: tuple[Look, ...] = ()
    """Earlier comparisons of the same models, under some of the same seeds."""
    xz: Xz | None = None
    """None in older records, and where the text is large or was not probed."""
    costs: Mapping[str, Cost] = Field(default_factory=dict)
    samples: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    lengths: Mapping[Place, Annotated[tuple[LengthScore, ...], AfterValidator(_each_factor_once)]] = Field(
        default_factory=dict
    )
    """Path of a run -> its scores on longer documents of its task; {} if none were asked for."""

    @property
    def places(self) -> list[str]:
        """Paths of all runs below the study's folder, trials first, each once."""
        searched = (trial.run for search in self.searches.values() for trial in search.trials)
        return list(dict.fromkeys((*self.trials, *searched, *self.untuned, *self.runs)))

    def read_runs(self, directory: Path) -> list[Run]:
        """Read the runs of the comparison, in order.

        Raises:
            RunError: a run is missing or damaged.
        """
        return [read_run(directory / name) for name in self.runs]

    def read_untuned(self, directory: Path) -> list[Run]:
        """Read the runs of the models as written.

        Raises:
            RunError: a run is missing or damaged.
        """
        return [read_run(directory / name) for name in self.untuned]

    def read_trials(self, directory: Path) -> list[Run]:
        """Read the runs that chose the learning rates.

        Raises:
            RunError: a run is missing or damaged.
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
"""Settings that every record has. A later setting enters a record's name only if it differs from its default, so older
records keep their names. Add nothing here."""


def describe_study(study: StudyConfig) -> dict[str, Any]:
    """Return the values that name a study, without settings beyond `FIRST` that are at their default.

    Target losses and longer documents are not among them: they are asked of finished runs, so the same comparison keeps
    its record.
    """
    document = study.model_dump(mode="json")
    document.pop("target", None)
    document.pop("test_lengths", None)
    for table, first in FIRST.items():
        usual = as_json(StudyConfig.model_fields[table].default)
        document[table] = {
            key: value for key, value in document[table].items() if key in first or value != usual.get(key)
        }
    return document


def write_study(path: Path, record: StudyRecord) -> None:
    """Write the record atomically."""
    write_json(path, record)


def with_questions(record: StudyRecord, study: StudyConfig) -> StudyRecord:
    """Return the record with the target losses and the longer documents of a study."""
    questions = {"target": study.target, "test_lengths": study.test_lengths}
    return record.model_copy(update={"study": record.study.model_copy(update=questions)})


def find_study(directory: Path) -> Path:
    """Find the record that the comparison.json of a study's folder names, else the newest record there.

    Args:
        directory: the folder, its comparison.json, or the record itself.

    Raises:
        RunError: there is no record.
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
        hint = f" Folders in it do, such as {below[0].parent}." if below else " `compare` writes one."
        what = "has no record of a comparison" if directory.is_dir() else "does not exist"
        raise RunError(f"'{directory}' {what} (study-*.json).{hint}")
    return found[-1]


def read_study(path: Path) -> StudyRecord:
    """Read the record in a file.

    Raises:
        RunError: it cannot be read, or has another schema version.
    """
    try:
        return read_record(path, StudyRecord)
    except DamagedError as error:
        raise RunError(f"'{path}' is not a record of a comparison: {error.reason}.") from None
