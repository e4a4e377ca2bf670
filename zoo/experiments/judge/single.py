"""One run in numbers: everything that its page shows."""

from contextlib import suppress
from pathlib import Path

from zoo.config import Frozen
from zoo.errors import RunError
from zoo.experiments.judge.positions import Place, loss_by_position_of_run
from zoo.experiments.records.run import SCHEMA_VERSION, CurvePoint, Environment, Recorded, Result, Run, read_run
from zoo.experiments.records.study import Cost, StudyRecord, read_study


class RunSummary(Frozen):
    """A run, with what was measured of its model in a study of the same folder."""

    schema_version: int = SCHEMA_VERSION
    unit: str = "nats per token"
    folder: str
    """The folder of the run's study."""
    name: str
    """The run's own folder in it."""
    recorded: Recorded
    environment: Environment
    curve: tuple[CurvePoint, ...]
    result: Result
    by_position: tuple[Place, ...]
    """Test loss by position in context; () where the run has not recorded it, or has no scores."""
    cost: Cost | None
    samples: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.recorded.run.label


def summarise_run(directory: Path) -> RunSummary:
    """The numbers of the run in a directory, from records alone.

    Raises:
        RunError: there is none, or it is damaged.
    """
    run = read_run(directory)
    place = directory.absolute()
    cost, samples = _find_probes(run, place)
    return RunSummary(
        folder=place.parent.name,
        name=place.name,
        recorded=run.recorded,
        environment=run.environment,
        curve=run.curve,
        result=run.result,
        by_position=loss_by_position_of_run(run) if run.result.status == "finished" else (),
        cost=cost,
        samples=samples,
    )


def _find_probes(run: Run, place: Path) -> tuple[Cost | None, tuple[str, ...]]:
    """Costs of the run's model and samples of this run, from the studies beside it that have them."""
    cost: Cost | None = None
    samples: tuple[str, ...] = ()
    for path in sorted(place.parent.glob("study-*.json")):
        with suppress(RunError):  # a damaged record of a comparison is for `verify` to tell
            record = read_study(path)
            if place.name in record.runs:
                cost = cost or record.costs.get(run.label)
                samples = samples or (record.samples.get(run.label, ()) if _is_sampled(run, record) else ())
    return cost, samples


def _is_sampled(run: Run, record: StudyRecord) -> bool:
    """Whether the samples of its label are this run's: they are drawn under the first seed, in the first split."""
    config = run.recorded.run
    return config.seed == record.study.seeds[0] and config.data.turn[0] == 1
