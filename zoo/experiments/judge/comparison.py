"""A comparison in numbers: everything that a table or a page shows.

comparison.json     a `Comparison`, derived: `zoo.experiments.judge.summarise` computes it from the records
"""

from pydantic import Field

from zoo.config import Frozen
from zoo.experiments.judge.contrasts import Contrast
from zoo.experiments.judge.notes import Note, collect_notes
from zoo.experiments.judge.rows import ModelRow, PairRow, RunRow
from zoo.experiments.records.run import SCHEMA_VERSION, DataRecord, Environment
from zoo.experiments.study.config import StudyConfig


class Comparison(Frozen):
    """A whole comparison; models from the best to the worst, then those that diverged, then those that are refused."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    study: StudyConfig
    folder: str
    """The study's folder, below that of all runs."""
    record: str
    """The file of the study's record in it."""
    data: DataRecord
    environments: tuple[Environment, ...]
    """The machines of its runs: more than one if runs were reused."""
    looked: tuple[int, ...]
    """Smaller numbers of seeds with which the same comparison was looked at before."""
    verdict: str
    method: str
    reason: str
    correlation: float | None
    """Mean correlation of two models' losses over the seeds."""
    inflation: float | None = None
    """Factor of the variance over several splits, for the training text that they share; None for one split."""
    caveats: tuple[str, ...] = ()
    """What intervals and verdicts assume, a sentence each."""
    models: tuple[ModelRow, ...]
    pairs: tuple[PairRow, ...]
    runs: tuple[RunRow, ...]
    contrasts: tuple[Contrast, ...] = ()
    """The passages on which the best model and each of the next ones differ most; () where runs did not record it."""
    notes: tuple[Note, ...] = Field(
        default_factory=lambda known: collect_notes(known["study"], known["models"], known["runs"], known["caveats"])
    )
    """What a report must say beside these numbers; derived from them, also when a comparison without notes is read."""

    @property
    def scored(self) -> str:
        """What is scored: documents; of several splits, the splits, or the regions of a stream."""
        if self.study.splits == 1:
            return "documents"
        return "regions" if self.data.is_stream else "splits"
