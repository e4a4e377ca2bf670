"""A comparison in numbers: everything that a table or a page shows.

comparison.json     a `Comparison`, derived: `zoo.experiments.judge.summarise` computes it from the records
"""

from pydantic import Field

from zoo.config import Frozen
from zoo.experiments.judge.notes import Note, collect_notes
from zoo.experiments.judge.rows import ModelRow, PairRow, RunRow
from zoo.experiments.records.run import SCHEMA_VERSION, DataRecord, Environment
from zoo.experiments.study.config import StudyConfig


class Comparison(Frozen):
    """Everything; models from the best to the worst, then those that diverged, then those that are refused."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    study: StudyConfig
    folder: str
    """The study's folder, below that of all runs."""
    record: str
    """The file of the study's record in it."""
    data: DataRecord
    environments: tuple[Environment, ...]
    """Where its runs were made: more than one if some were reused."""
    looked: tuple[int, ...]
    """Numbers of seeds, fewer than these, under which the same comparison was looked at before."""
    verdict: str
    method: str
    reason: str
    correlation: float | None
    """Mean correlation of two models' losses over the seeds: what pairing brought."""
    inflation: float | None = None
    """What the variance over several splits was multiplied by, for what they share in training; None of one split."""
    caveats: tuple[str, ...] = ()
    """What has to be known before intervals and verdicts are believed, a sentence each."""
    models: tuple[ModelRow, ...]
    pairs: tuple[PairRow, ...]
    runs: tuple[RunRow, ...]
    notes: tuple[Note, ...] = Field(
        default_factory=lambda known: collect_notes(known["study"], known["models"], known["runs"], known["caveats"])
    )
    """What a report must say beside these numbers; one that was stored before there were notes gets them when read."""

    @property
    def scored(self) -> str:
        """What else than the seeds could be new: documents, or splits of them, or regions of a stream."""
        if self.study.splits == 1:
            return "documents"
        return "regions" if self.data.is_stream else "splits"
