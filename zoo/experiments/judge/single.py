"""One run in numbers: all that its page shows."""

from contextlib import suppress
from pathlib import Path

from zoo.config import Frozen
from zoo.errors import RunError
from zoo.experiments.judge.positions import Place, loss_by_position_of_run
from zoo.experiments.judge.references import Reference, list_references
from zoo.experiments.records.run import (
    GRID_FOLDER,
    SCHEMA_VERSION,
    SEARCH_FOLDER,
    CurvePoint,
    Environment,
    Recorded,
    Result,
    Run,
    read_run,
)
from zoo.experiments.records.signals import SignalPoint, read_signals
from zoo.experiments.records.study import Cost, StudyRecord, read_study


class RunSummary(Frozen):
    """A run, with the costs and samples that a study of the same folder measured of its model."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    folder: str
    """Name of the study's folder."""
    name: str
    """Path of the run's folder in it."""
    recorded: Recorded
    environment: Environment
    curve: tuple[CurvePoint, ...]
    result: Result
    signals: tuple[SignalPoint, ...] = ()
    """The signals in its model at every evaluation; () if it was not watched."""
    by_position: tuple[Place, ...]
    """Test loss by position in context; () where the run has no record of it, or no scores."""
    cost: Cost | None
    samples: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.recorded.run.label

    @property
    def references(self) -> tuple[Reference, ...]:
        """The lines of known predictors on the test split, from the lowest loss to the highest."""
        return list_references(self.recorded.data, self.recorded.data.floor.get("test"))


def summarise_run(directory: Path) -> RunSummary:
    """Summarise the run in a directory from records alone.

    Raises:
        RunError: the directory has no run, or a damaged one.
    """
    run = read_run(directory)
    place = directory.absolute()
    study = place.parent.parent if place.parent.name in (GRID_FOLDER, SEARCH_FOLDER) else place.parent
    cost, samples = _find_probes(run, place)
    return RunSummary(
        folder=study.name,
        name=str(place.relative_to(study)),
        recorded=run.recorded,
        environment=run.environment,
        curve=run.curve,
        result=run.result,
        signals=read_signals(directory),
        by_position=loss_by_position_of_run(run) if run.result.status == "finished" else (),
        cost=cost,
        samples=samples,
    )


def _find_probes(run: Run, place: Path) -> tuple[Cost | None, tuple[str, ...]]:
    """Find costs of the run's model and samples of this run in the studies of its folder."""
    cost: Cost | None = None
    samples: tuple[str, ...] = ()
    for path in sorted(place.parent.glob("study-*.json")):
        with suppress(RunError):  # `verify` reports a damaged record of a comparison
            record = read_study(path)
            if place.name in record.runs:
                cost = cost or record.costs.get(run.label)
                samples = samples or (record.samples.get(run.label, ()) if _is_sampled(run, record) else ())
    return cost, samples


def _is_sampled(run: Run, record: StudyRecord) -> bool:
    """Whether the study's samples of this label come from this run: they come from the first seed and split."""
    config = run.recorded.run
    return config.seed == record.study.seeds[0] and config.data.turn[0] == 1
