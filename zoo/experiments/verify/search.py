"""Verify the searches of a study: their trials, what they chose, and the importance of each setting."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo.calls import parse_call
from zoo.experiments.records.run import SEARCH_FOLDER, Run, read_run
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.records.study import StudyRecord
from zoo.experiments.runs.identity import run_name
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.tuning.importances import NO_SKLEARN, measure_importances
from zoo.experiments.runs.tuning.pruning import limits_after
from zoo.experiments.runs.tuning.spaces import find_spaces, written_values
from zoo.experiments.runs.tuning.tune import ROUND, choose_best, count_due, count_trial_flops
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.study.space import list_grid, parse_dimension
from zoo.experiments.verify.diff import TOLERANCE, compare_values, describe
from zoo.experiments.verify.rebuild import Rebuild


def search_runs(record: StudyRecord, directory: Path) -> list[Run]:
    """Read the runs of all trials, each once.

    Raises:
        RunError: one is missing or damaged.
    """
    places = dict.fromkeys(trial.run for search in record.searches.values() for trial in search.trials)
    return [read_run(directory / place) for place in places]


def search_differences(
    study: StudyConfig, record: StudyRecord, directory: Path, rebuild: Rebuild
) -> Iterator[tuple[Run, Cell] | str]:
    """Check every search against its study and its trials; also yield each trial's run with the run it should be."""
    _check_optimizers(study, rebuild)
    written = {cell.config.label: cell for cell in reversed([rebuild.cell(config) for config in study.runs()])}
    spaces = find_spaces(study, list(written.values()))
    expected = {label: {name: str(own) for name, own in space.items()} for label, space in spaces.items()}
    stored = {label: dict(search.space) for label, search in record.searches.items()}
    yield from compare_values("search spaces", stored, expected)
    for label, search in record.searches.items():
        runs = [read_run(directory / trial.run) for trial in search.trials]
        for trial, run in zip(search.trials, runs, strict=True):
            cell = rebuild.cell(study.trial_of(label, trial.chosen, trial.prune_above))
            threads = run.recorded.run.training.threads or 1  # as many as the machine that searched had for it
            yield run, cell.on_threads(threads)
            place = f"{SEARCH_FOLDER}/{run_name(run.recorded.run, run.recorded.fingerprint)}"
            yield from compare_values(f"run of a trial of {label}", trial.run, place)
        starts = written_values(spaces[label], written[label]) if study.search.sampler != "grid" else None
        yield from compare_values(f"first trial of {label} as written", search.starts_as_written, starts is not None)
        if starts is not None:
            yield from compare_values(f"first trial of {label}", dict(search.trials[0].chosen), starts)
        usual = rebuild.cell(study.trial_of(label, written_values(spaces[label], written[label]) or {}))
        flops = count_trial_flops(usual, rebuild.corpus(study.data)) if study.search.flops else None
        yield from _trial_differences(label, study, search, runs, flops)


def _check_optimizers(study: StudyConfig, rebuild: Rebuild) -> None:
    """Check the files of optimizers that a space names before they are imported for it.

    Raises:
        RunError: one is not allowed.
    """
    for text in study.search.space.values():
        for value in parse_dimension(text).values:
            if isinstance(value, str):
                rebuild.trust.check(parse_call(value).name)


def _trial_differences(
    label: str, study: StudyConfig, search: SearchRecord, runs: Sequence[Run], flops: float | None
) -> Iterator[str]:
    space = {name: parse_dimension(text) for name, text in search.space.items()}
    due = count_due(study.search, space, [run.result.flops for run in runs], flops)
    yield from compare_values(f"trials of {label}", len(search.trials), due)
    if study.search.sampler == "grid":
        yield from compare_values(f"grid of {label}", [dict(t.chosen) for t in search.trials], list_grid(space)[:due])
    seen: dict[str, tuple[float | None, ...]] = {}
    for index, trial in enumerate(search.trials):
        name = f"trial {index} of {label}"
        if outside := [key for key, value in trial.chosen.items() if key not in space or not space[key].has(value)]:
            yield f"{name}: {outside[0]}={trial.chosen[outside[0]]} is outside of its space"
        possible = [limits_after(runs[:count]) for count in range(max(0, index - ROUND + 1), index + 1)]
        key = repr(sorted(trial.chosen.items()))
        possible = [seen[key]] if key in seen else possible
        seen[key] = trial.prune_above
        if trial.prune_above not in (possible if study.search.prune else [()]):
            yield describe(f"limits of {name}", trial.prune_above, "those of the trials before it")
    yield from compare_values(f"best trial of {label}", search.best, choose_best(runs))
    finished = [
        (trial.chosen, run.result.validation_loss)
        for trial, run in zip(search.trials, runs, strict=True)
        if run.result.status == "finished" and run.result.validation_loss is not None
    ]
    if search.unmeasured != NO_SKLEARN:
        shares, why = measure_importances(space, finished)
        yield from compare_values(f"reason for no importances of {label}", search.unmeasured, why)
        yield from compare_values(f"settings of {label} by importance", sorted(search.importances), sorted(shares))
        for key, share in search.importances.items():
            yield from compare_values(f"importance of {key} for {label}", share, shares.get(key), tolerance=TOLERANCE)
