"""What is sent of a run or a study: built from its records, and alike while it runs and later."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zoo.calls import Value
from zoo.errors import RunError
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.single import summarise_run
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.records.run import GRID_FOLDER, SEARCH_FOLDER, CurvePoint, Recorded, Result, read_run
from zoo.experiments.records.signals import SIGNALS, SignalPoint, read_signals
from zoo.experiments.records.study import StudyRecord, read_study
from zoo.trackers.interface import Ending, Point, TrackedRun

RECORDS = ("config.json", "environment.json", "curve.jsonl", "result.json", SIGNALS)
"""Files of a run that are sent as they are."""
NUMBERS = (
    *("test_loss", "validation_loss", "train_loss", "accuracy", "answers", "best_step", "steps", "tokens", "seconds"),
    *("flops", "parameters"),
)
"""Numbers of a `Result` that are sent."""


@dataclass(frozen=True)
class Content:
    """All that is sent of one run, or of the summary of a study."""

    run: TrackedRun
    points: tuple[Point, ...]
    ending: Ending

    def sealed(self) -> "Content":
        """The same with the digest of all of it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return replace(self, ending=replace(self.ending, digest=hashlib.sha256(text.encode()).hexdigest()))


def locate_run(directory: Path) -> tuple[Path, str]:
    """Split the directory of a run into the folder of its study and its name in it."""
    place = directory.absolute()
    study = place.parent.parent if place.parent.name in (GRID_FOLDER, SEARCH_FOLDER) else place.parent
    return study, place.relative_to(study).as_posix()


def describe_run(recorded: Recorded, group: str, name: str) -> TrackedRun:
    """Describe a run from its settings, which are known before it begins."""
    run = recorded.run.model_dump(mode="json", exclude={"model", "stack", "prune_above"}, exclude_none=True)
    data = recorded.data.model_dump(include={"digest", "is_stream", "targets", "floor"}, exclude_none=True)
    settings = {
        "model": str(recorded.run.model),
        **dict(_flatten(run)),
        **dict(_flatten({"settings": recorded.settings, "corpus": data})),
        "lr_from": recorded.lr_from,
        "fingerprint": recorded.fingerprint,
    }
    return TrackedRun(name, group, "trial" if recorded.run.trial else "run", settings)


def collect_run(directory: Path) -> Content:
    """Collect what is sent of the finished run in a directory.

    Raises:
        RunError: there is no run, or it is damaged.
    """
    run, (study, name) = read_run(directory), locate_run(directory)
    result, machine = run.result, run.environment
    numbers = {key: float(value) for key in NUMBERS if (value := getattr(result, key)) is not None}
    tags = {
        "status": result.status,
        "versions": f"zoo {machine.zoo}, Python {machine.python}, torch {machine.torch}",
        "device": machine.device,
        "threads": str(machine.threads),
        "execution": result.execution,
        "commit": "" if machine.commit is None else machine.commit + (" with changes" if machine.dirty else ""),
        "reason": result.reason or "",
        "diverged_at": "" if result.diverged_at is None else f"step {result.diverged_at}",
    }
    return Content(
        describe_run(run.recorded, study.name, name),
        tuple(merge_points([*curve_points(run.curve), *signal_points(read_signals(directory))])),
        Ending(
            status=result.status,
            numbers=numbers,
            tags={key: value for key, value in tags.items() if value},
            texts={"result": _tabulate(result)},
            files={file: (directory / file).read_text("utf-8") for file in RECORDS if (directory / file).is_file()},
        ),
    ).sealed()


def collect_study(path: Path) -> Content:
    """Collect what is sent of a study beside its runs: verdict, intervals, samples, figures and page.

    Args:
        path: the study's record.

    Raises:
        RunError: a record is missing or damaged.
    """
    record = read_study(path)
    comparison = summarise(path, record)
    settings = dict(_flatten(record.study.model_dump(mode="json", exclude={"models"}, exclude_none=True)))
    models = {f"models.{model.label}": model.model for model in comparison.models}
    samples = {
        f"samples/{label}": "\n".join(f"    {line}" for text in texts for line in text.splitlines() or [""])
        for label, texts in record.samples.items()
    }
    return Content(
        TrackedRun(path.stem, path.absolute().parent.name, "study", {**settings, **models}),
        (),
        Ending(
            status="finished",
            numbers=dict(_measure_models(comparison)),
            tags={"verdict": comparison.verdict, "method": comparison.method},
            texts={**_write_texts(comparison), **samples},
            files=_draw_files(path, record, comparison),
        ),
    ).sealed()


def curve_points(curve: Sequence[CurvePoint]) -> Iterator[Point]:
    """The points of a learning curve."""
    for point in curve:
        values = {
            "loss/validation": point.validation_loss,
            "loss/train": point.train_loss,
            "loss/auxiliary": point.auxiliary_loss,
            "spent/tokens": float(point.tokens),
            "spent/seconds": point.seconds,
        }
        yield _make_point(point.step, values)


def signal_points(signals: Sequence[SignalPoint]) -> Iterator[Point]:
    """The signals of a watched run."""
    for point in signals:
        values: dict[str, float | None] = {"watch/loss": point.loss}
        for layer in point.layers:
            for what in ("mean", "std", "saturated", "dead", "gradient_std"):
                values[f"activations/{layer.name or 'model'}/{what}"] = getattr(layer, what)
        for weight in point.weights:
            for what in ("std", "gradient_std", "update"):
                values[f"weights/{weight.name}/{what}"] = getattr(weight, what)
        yield _make_point(point.step, values)


def merge_points(points: Sequence[Point]) -> list[Point]:
    """One point per step, ascending."""
    merged: dict[int, dict[str, float]] = {}
    for point in points:
        merged.setdefault(point.step, {}).update(point.values)
    return [Point(step, merged[step]) for step in sorted(merged)]


def _make_point(step: int, values: Mapping[str, float | None]) -> Point:
    return Point(
        step, {key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)}
    )


def _measure_models(comparison: Comparison) -> Iterator[tuple[str, float]]:
    """The losses of every model with their intervals, and the differences of every pair, where they exist."""
    for model in comparison.models:
        test, validation = model.test, model.validation
        named: dict[str, float | None] = {
            "test_loss": test.mean if test else None,
            "test_loss_low": test.low if test else None,
            "test_loss_high": test.high if test else None,
            "test_loss_sd": test.sd if test else None,
            "validation_loss": validation.mean if validation else None,
            "above_floor": model.above_floor,
            "parameters": model.parameters,
            "tokens_per_second": model.tokens_per_second,
            "diverged": model.diverged,
            "failed": model.failed,
            "refused": model.refused,
        }
        yield from ((f"{model.label}/{key}", float(value)) for key, value in named.items() if value is not None)
    for pair in comparison.pairs:
        low, high = pair.interval
        apart = {"difference": pair.difference, "difference_low": low, "difference_high": high}
        yield from ((f"{pair.a} - {pair.b}/{key}", value) for key, value in apart.items() if value is not None)


def _write_texts(comparison: Comparison) -> dict[str, str]:
    from zoo.reports.markdown import render_markdown

    return {"report": render_markdown(comparison, {})}


def _draw_files(path: Path, record: StudyRecord, comparison: Comparison) -> dict[str, str]:
    """The page of a study, or of its only run, its numbers and its figures."""
    from zoo.reports.figures.draw import draw, standalone
    from zoo.reports.figures.run import draw_run
    from zoo.reports.page import render_page
    from zoo.reports.run_page import render_run_page

    if len(record.runs) == 1:
        summary = summarise_run(path.parent / record.runs[0])
        page, drawn = render_run_page(summary), draw_run(summary)
    else:
        page, drawn = render_page(comparison), draw(comparison)
    return {
        "report.html": page,
        "comparison.json": comparison.model_dump_json(indent=2) + "\n",
        **{f"figures/{name}.svg": str(standalone(markup)) for name, markup in drawn.items()},
    }


def _tabulate(result: Result) -> str:
    """The numbers of a result with all digits, as a table."""
    rows = [f"| {key} | {value!r} |" for key in NUMBERS if (value := getattr(result, key)) is not None]
    status = result.status + (f" at step {result.diverged_at}" if result.diverged_at is not None else "")
    return "\n".join(["| what | value |", "|---|---|", f"| status | {status} |", *rows])


def _flatten(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Nested settings as "training.lr" -> value; a list becomes JSON."""
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, Mapping):
            yield from _flatten(inner, f"{name}.")
        elif isinstance(inner, bool | int | float | str):
            yield name, inner
        elif inner not in (None, [], ()):
            yield name, json.dumps(inner)


def list_contents(directory: Path) -> tuple[list[Path], Path | None]:
    """List the runs that belong to a directory, and the record of its study: what `track` sends.

    Args:
        directory: a run, the folder of a study, or a study's record.

    Raises:
        RunError: it is neither.
    """
    from zoo.experiments.records.run import is_run
    from zoo.experiments.records.study import find_study

    if is_run(directory):
        study, name = locate_run(directory)
        for path in sorted(study.glob("study-*.json")):
            if read_study(path).runs == (name,):
                return [directory], path
        return [directory], None
    path = find_study(directory)
    places = [path.parent / place for place in read_study(path).places]
    missing = [place for place in places if not is_run(place)]
    if missing:
        raise RunError(f"'{path}' names a run that does not exist: '{missing[0]}'.")
    return places, path
