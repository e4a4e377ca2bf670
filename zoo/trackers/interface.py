"""What a tracker is given, and its four methods. Imports no torch.

    class Lines(Tracker):
        class Config(TrackerOptions):
            file: str = "lines.txt"

        def begin(self, run):
            self.write(f"{run.group}/{run.name} begins")

        ...

A tracker lives in a process of its own, which may hang or die without harm to a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from zoo.calls import Value


class TrackerOptions(BaseModel):
    """Base of every tracker's `Config`: frozen; refuses unknown options and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class TrackedRun:
    """What is known when a run begins.

    Args:
        name: path of the run below its study's folder; that of a study's summary is the name of its record.
        group: name of the study's folder, the same for all of its runs.
        kind: "run", "trial" (it only chooses settings) or "study" (the summary of a whole study).
        settings: all settings by name: "training.lr", "model".
    """

    name: str
    group: str
    kind: str
    settings: Mapping[str, Value]


@dataclass(frozen=True)
class Point:
    """Numbers after a number of steps, each finite: "loss/validation" -> 2.13."""

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ending:
    """What is known when a run has ended.

    Args:
        status: that of the record ("finished", "diverged", "pruned", "refused", "failed"); "interrupted" if the command
            ended before the run.
        numbers: results, each finite: "test_loss". One that does not exist, such as the loss of a run that diverged, is
            absent.
        tags: short texts: "reason", "versions".
        texts: longer texts in Markdown: the results with all digits, samples, the report.
        files: path -> content of a file: the page, figures (SVG), records.
        digest: SHA-256 of all that is sent of the run; "" if it was interrupted.
    """

    status: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""


class Tracker:
    """Base of all trackers, registered under a name (entry-point group `zoo.trackers`).

    Its module is imported in the command too, to check the options: import the library in `__init__`, which only the
    sending process calls. Calls of several runs may interleave. An exception means that the run was not sent; the other
    runs are still tried.

    Args:
        config: the options that the user gave.
        folder: folder of the study, below which a tracker may write if the options name no other place.
    """

    class Config(TrackerOptions):
        """The options, each a field with a type, a default and a description."""

    needs: ClassVar[Sequence[str]] = ()
    """Modules that must be installed."""
    extra: ClassVar[str] = ""
    """Extra of this package that installs them: "mlflow" for sequence-zoo[mlflow]."""

    def __init__(self, config: TrackerOptions, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.where = ""
        """Where the user finds what was sent: an address, or a command."""

    def has(self, run: TrackedRun, digest: str) -> bool:
        """Whether the run is there and has ended with this digest; nothing is then sent."""
        return False

    def begin(self, run: TrackedRun) -> None:
        """Begin a run; one of the same group and name is replaced."""
        raise NotImplementedError

    def log(self, run: TrackedRun, points: Sequence[Point]) -> None:
        """Add points to a run; those of one number ascend in steps."""
        raise NotImplementedError

    def end(self, run: TrackedRun, ending: Ending) -> None:
        """End a run; it must be stored when this returns."""
        raise NotImplementedError
