"""One comparison at several sizes: losses against size and FLOPs, and the differences of all pairs at each size.

sizes.json     a `Scaling`, derived from the comparisons of the sizes, each in a folder of its own
"""

from collections.abc import Sequence

from zoo.config import Frozen
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.references import Reference
from zoo.experiments.judge.rows import Interval, PairRow
from zoo.experiments.judge.weaknesses import describe_budget
from zoo.experiments.records.run import SCHEMA_VERSION

LARGER = {
    "steps": "spend more FLOPs in it",
    "tokens": "spend more FLOPs in it",
    "seconds": "take fewer steps in it",
    "flops": "take fewer steps in it",
    None: "spend more FLOPs in it",
}
"""Budget -> the effect on larger models of one budget for all sizes."""


class SizedModel(Frozen):
    """A model at one size; its loss in nats a token, None where not all of its runs finished."""

    label: str
    parameters: int
    off_size: float | None
    flops: float | None
    """FLOPs of training, mean over the runs; None where they cannot be counted."""
    lr: float
    test: Interval | None


class AtSize(Frozen):
    """The comparison at one size."""

    target: int
    """Parameters that every model was scaled to."""
    folder: str
    record: str
    verdict: str
    models: tuple[SizedModel, ...]
    """The models, in the order of the study."""
    pairs: tuple[PairRow, ...]
    """All pairs: the earlier model of the study minus the later one."""


class Scaling(Frozen):
    """A comparison at several sizes, the smallest first."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    labels: tuple[str, ...]
    sizes: tuple[AtSize, ...]
    notes: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    """The lines of known predictors, from the lowest loss."""
    is_task: bool = False
    """Whether figures show all lines, however far they are."""


def collect_scaling(comparisons: Sequence[Comparison]) -> Scaling:
    """Collect the comparisons of one study at several sizes, given with the smallest size first."""
    study = comparisons[0].study
    labels = tuple(contestant.label for contestant in study.models)
    larger = LARGER[study.training.budget]
    return Scaling(
        labels=labels,
        sizes=tuple(_at_size(comparison, labels) for comparison in comparisons),
        notes=(
            f"Every size has the same budget, {describe_budget(study.training)}: larger models {larger}.",
            "Each p-value allows for all pairs of its size, and not for the number of sizes.",
            f"No law is fitted to {len(comparisons)} sizes.",
        ),
        references=comparisons[0].references,
        is_task=comparisons[0].data.task is not None,
    )


def _at_size(comparison: Comparison, labels: Sequence[str]) -> AtSize:
    assert comparison.study.match
    rows = sorted(comparison.models, key=lambda row: labels.index(row.label))
    pairs = [
        pair if labels.index(pair.a) < labels.index(pair.b) else pair.reverse()
        for pair in comparison.pairs
    ]  # fmt: skip
    return AtSize(
        target=round(comparison.study.match.target),
        folder=comparison.folder,
        record=comparison.record,
        verdict=comparison.verdict,
        models=tuple(
            SizedModel(
                label=row.label,
                parameters=row.parameters,
                off_size=row.off_size,
                flops=row.used.flops,
                lr=row.lr,
                test=row.test,
            )
            for row in rows
        ),
        pairs=tuple(sorted(pairs, key=lambda pair: (labels.index(pair.a), labels.index(pair.b)))),
    )
