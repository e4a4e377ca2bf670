"""A comparison in numbers: one `Summary` a model, from the records of its runs."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Any

from zoo.config import Frozen
from zoo.experiments.record import Run
from zoo.experiments.study import Published, StudyConfig


class Spread(Frozen):
    """Mean over the seeds and standard deviation (None for a single one)."""

    mean: float
    sd: float | None


class Summary(Frozen):
    """One row of the table; losses are nats a token, None where any seed diverged.

    `untrained` counts the seeds under which no evaluation was better than that of the initial weights.
    """

    label: str
    seeds: int
    diverged: int
    untrained: int
    test: Spread | None
    validation: Spread | None
    train: Spread | None
    floor: float | None
    above_floor: float | None
    parameters: int
    receptive_field: int | None
    tokens_per_second: float
    seconds: float
    lr: float
    lr_from: str
    published: Published | None = None


def summarise(runs: Sequence[Run], published: Mapping[str, Published] | None = None) -> list[Summary]:
    """A summary a label, ordered by test loss; a model that diverged under any seed comes last."""
    labels = list(dict.fromkeys(run.label for run in runs))
    rows = [_summary(label, [run for run in runs if run.label == label], published or {}) for label in labels]
    return sorted(rows, key=lambda row: (row.diverged, row.test.mean if row.test else float("inf")))


def as_document(study: StudyConfig, runs: Sequence[Run], rows: Sequence[Summary]) -> dict[str, Any]:
    """The one JSON document of a comparison."""
    return {
        "schema_version": 1,
        "study": study.model_dump(mode="json"),
        "unit": "nats per token",
        "summary": [row.model_dump(mode="json") for row in rows],
        "runs": [
            {
                "directory": str(run.directory),
                "label": run.label,
                "seed": run.recorded.run.seed,
                "fingerprint": run.recorded.fingerprint,
                "settings": run.recorded.settings,
                **run.result.model_dump(mode="json", exclude={"schema_version"}),
            }
            for run in runs
        ],
    }


def published_figures(study: StudyConfig) -> dict[str, Published]:
    """Label -> what was published for it."""
    return {model.label: model.published for model in study.models if model.published}


def _summary(label: str, runs: Sequence[Run], published: Mapping[str, Published]) -> Summary:
    results = [run.result for run in runs]
    diverged = sum(result.status == "diverged" for result in results)

    def spread(name: str) -> Spread | None:
        values = [getattr(result, name) for result in results]
        if diverged or None in values:
            return None  # never a mean over the survivors alone
        return Spread(mean=fmean(values), sd=stdev(values) if len(values) > 1 else None)

    test, floor = spread("test_loss"), runs[0].recorded.data.floor.get("test")
    return Summary(
        label=label,
        seeds=len(runs),
        diverged=diverged,
        untrained=sum(result.status == "finished" and result.best_step == 0 for result in results),
        test=test,
        validation=spread("validation_loss"),
        train=spread("train_loss"),
        floor=floor,
        above_floor=test.mean - floor if test and floor is not None else None,
        parameters=results[0].parameters,
        receptive_field=results[0].receptive_field,
        tokens_per_second=median(result.tokens / result.seconds if result.seconds else 0.0 for result in results),
        seconds=fmean(result.seconds for result in results),
        lr=runs[0].recorded.settings["lr"],
        lr_from=runs[0].recorded.lr_from,
        published=published.get(label),
    )
