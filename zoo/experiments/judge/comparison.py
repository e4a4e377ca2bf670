"""A comparison in numbers: all that a table or a page shows.

comparison.json     a `Comparison`, derived: `zoo.experiments.judge.summarise` computes it from the records
"""

import math
from collections.abc import Mapping

from pydantic import Field

from zoo.config import Frozen
from zoo.experiments.judge.ablation import Ablated
from zoo.experiments.judge.contrasts import Contrast
from zoo.experiments.judge.lengths import Lengths
from zoo.experiments.judge.notes import Note, collect_notes
from zoo.experiments.judge.references import Reference, list_references
from zoo.experiments.judge.rows import ModelRow, PairRow, RunRow
from zoo.experiments.judge.sequential import Sequential
from zoo.experiments.judge.target import Targets
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.judge.watched import Watched
from zoo.experiments.records.run import SCHEMA_VERSION, DataRecord, Environment
from zoo.experiments.records.study import Xz
from zoo.experiments.study.config import StudyConfig


class Comparison(Frozen):
    """A whole comparison; models from the best to the worst, then diverged, refused and failed ones."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    study: StudyConfig
    folder: str
    """Name of the study's folder, below the folder of all runs."""
    record: str
    """Name of the study's record in this folder."""
    data: DataRecord
    environments: tuple[Environment, ...]
    """The environments of its runs; several if runs of another environment were reused."""
    looked: tuple[int, ...]
    """Smaller numbers of seeds with which the same comparison was judged before."""
    verdict: str
    method: str
    reason: str
    correlation: float | None
    """Mean correlation of two models' losses over the seeds."""
    inflation: float | None = None
    """Factor of the variance over several splits, for their common training text; None for one split."""
    caveats: tuple[str, ...] = ()
    """The assumptions of intervals and verdicts, a sentence each."""
    level: float = 0.05
    """Error of the intervals: that of the study, or of one of its looks."""
    sequential: Sequential | None = None
    """The looks of a study that stops when it is decided."""
    xz: Xz | None = None
    """What a compressor takes for the test text of the first split; None where it is not known."""
    models: tuple[ModelRow, ...]
    tuned: tuple[Tuned, ...] = ()
    """The search of every model, in their order; () without a search."""
    pairs: tuple[PairRow, ...]
    ablation: Ablated | None = None
    """The effects of the changes of an ablation, which has no pairs; None for other comparisons."""
    targets: Targets | None = None
    """What each model takes to the target losses; None if the study has none."""
    leaks: Mapping[str, str] = Field(default_factory=dict)
    """Label -> what is wrong, of models below the floor by more than chance."""
    bytes_per_token: float | None = None
    """Mean number of bytes of a target of the test split, by which losses become bits a byte; None for a task."""
    lengths: tuple[Lengths, ...] = ()
    """Every model on longer documents of its task, in the order of the ranking; () where none were asked for."""
    watched: tuple[Watched, ...] = ()
    """The signals over training of every model's run under the first seed; () where none was watched."""
    runs: tuple[RunRow, ...]
    contrasts: tuple[Contrast, ...] = ()
    """The passages on which the best model and each of the next ones differ most; () where runs recorded no tokens."""
    notes: tuple[Note, ...] = Field(
        default_factory=lambda known: collect_notes(
            known["study"],
            known["models"],
            known["runs"],
            known["caveats"],
            known["tuned"],
            known["watched"],
            known["leaks"],
            known["xz"],
            known["environments"],
        )
    )
    """The sentences that a report adds to these numbers; derived if a stored comparison has none."""

    @property
    def references(self) -> tuple[Reference, ...]:
        """The lines of known predictors on the test split, from the lowest loss to the highest."""
        return list_references(self.data, self.models[0].floor, self.xz.nats_per_token if self.xz else None)

    def bits_per_byte(self, loss: float) -> float | None:
        """Return a loss in nats per token as bits a byte, which other tokens of the same text do not change."""
        return loss / (math.log(2) * self.bytes_per_token) if self.bytes_per_token else None

    @property
    def scored(self) -> str:
        """The word for the scored units: documents; with several splits, splits, or regions of a stream."""
        if self.study.splits == 1:
            return "documents"
        return "regions" if self.data.is_stream else "splits"
