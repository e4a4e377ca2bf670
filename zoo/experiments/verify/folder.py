"""Verify every run and comparison in a folder: recompute it and name the first difference."""

from collections.abc import Callable, Iterator
from pathlib import Path

from registry import RegistryError
from zoo.errors import RunError, ZooError
from zoo.experiments.records.run import find_runs, is_run, read_run
from zoo.experiments.records.study import read_study
from zoo.experiments.runs.trust import Trust
from zoo.experiments.verify.rebuild import Rebuild
from zoo.experiments.verify.run import run_differences
from zoo.experiments.verify.sizes import sizes_differences
from zoo.experiments.verify.study import comparison_differences, record_of, study_differences
from zoo.training.device import resolve_device

Check = Callable[[Path, Rebuild], Iterator[str]]


def verify(place: Path, *, device: str = "auto", trust: bool = False) -> Iterator[tuple[Path, str | None]]:
    """Verify each run, study-*.json, comparison.json and sizes.json in `place`; yield its path and its first
    difference or None.

    Args:
        place: a run, a folder of runs, or one of the files; of a comparison its runs are then verified too.
        device: where losses are recomputed.
        trust: import files that records name even if their source has changed since the run.

    Raises:
        RunError: there is nothing to verify.
        UsageError: the device does not exist.
    """
    rebuild = Rebuild(resolve_device(device), Trust(everything=trust))
    checks: list[tuple[list[Path], Check]]
    if is_run(place):
        checks = [([place], _run)]
    elif place.name == "sizes.json" and place.is_file():
        checks = [([place], sizes_differences)]
    elif place.is_file():
        checks = _file_checks(place)
    else:
        checks = [
            (find_runs(place) if place.is_dir() else [], _run),
            (_visible(place, "study-*.json"), study_differences),
            (_visible(place, "comparison.json"), comparison_differences),
            (_visible(place, "sizes.json"), sizes_differences),
        ]
    if not any(paths for paths, _ in checks):
        read_run(place)  # raises the reason
    for paths, check in checks:
        for path in paths:
            yield path, _first_difference(check, path, rebuild)


def _first_difference(check: Check, path: Path, rebuild: Rebuild) -> str | None:
    """The first difference or None; an error counts as one, so a damaged file ends only its own check."""
    try:
        return next(check(path, rebuild), None)
    except (ZooError, RegistryError) as error:
        return str(error)
    except Exception as error:  # files edited by hand, and users' models, can raise anything
        return f"cannot be computed again: {type(error).__name__}: {error}".splitlines()[0]


def _run(directory: Path, rebuild: Rebuild) -> Iterator[str]:
    yield from run_differences(read_run(directory), rebuild)


def _file_checks(path: Path) -> list[tuple[list[Path], Check]]:
    """The checks of a comparison given by a file: its runs, its record, and a comparison.json made from this record."""
    numbers = path.with_name("comparison.json")
    try:
        record = record_of(path) if path == numbers else path
        study = read_study(record)
    except RunError:
        return [([path], comparison_differences if path == numbers else study_differences)]
    runs = [path.parent / name for name in study.places]
    return [
        (runs, _run),
        ([record], study_differences),
        ([numbers] if _belongs(numbers, record) else [], comparison_differences),
    ]


def _belongs(numbers: Path, record: Path) -> bool:
    """Whether a comparison.json was made from this record."""
    try:
        return record_of(numbers) == record
    except RunError:
        return False


def _visible(folder: Path, pattern: str) -> list[Path]:
    """The matching files below a folder, except in hidden directories."""
    found = sorted(folder.glob(f"**/{pattern}"))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
