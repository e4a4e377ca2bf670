"""Verify a comparison: its record against its study and its runs, its numbers against its record."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.config import RunConfig, as_json
from zoo.data.compression import compress_test
from zoo.errors import RunError
from zoo.experiments.compare import record_name
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.sentence import verdict_sentence
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.plan import find_changes
from zoo.experiments.records.reading import SCHEMA_VERSION, DamagedError, read_json
from zoo.experiments.records.run import GRID_FOLDER, Run, read_run
from zoo.experiments.records.study import StudyRecord, read_study
from zoo.experiments.runs.identity import run_name
from zoo.experiments.runs.model import find_counted
from zoo.experiments.runs.rates import Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell, in_first_split
from zoo.experiments.runs.size_matching import match_sizes
from zoo.experiments.runs.strategy import place
from zoo.experiments.study.config import StudyConfig
from zoo.experiments.verify.costs import cost_differences
from zoo.experiments.verify.diff import compare_values, differences
from zoo.experiments.verify.lengths import length_differences
from zoo.experiments.verify.looks import look_differences
from zoo.experiments.verify.rebuild import Rebuild
from zoo.experiments.verify.search import search_differences, search_runs

OTHER_XZ = 0.02
"""Tolerance in bits per byte: another version of the compressor takes a little more or less."""


def record_of(comparison: Path) -> Path:
    """The record that a comparison.json names.

    Raises:
        RunError: it cannot be read, or the record is missing.
    """
    try:
        record = comparison.parent / Path(read_json(comparison)["record"]).name
    except (KeyError, TypeError):
        raise DamagedError(comparison, "it names no record") from None
    if not record.is_file():
        raise RunError(f"record: '{record.name}' is not there.")
    return record


def comparison_differences(path: Path, _: Rebuild) -> Iterator[str]:
    """Check a comparison.json against its runs.

    Costs and samples are compared with the record, which has the measured values.

    Raises:
        RunError: the record, or a run of it, is missing or damaged.
    """
    record = record_of(path).absolute()
    comparison = summarise(record, read_study(record))
    again, stored = comparison.model_dump(mode="json"), _with_defaults(read_json(path))
    same = {"folder": record.parent.name}  # a renamed folder changes no number
    if stored.get("verdict") == verdict_sentence(comparison.models, comparison.pairs, looked=comparison.looked):
        same["verdict"] = comparison.verdict  # an older sentence, without weaknesses
    yield from differences(stored | same, again | same)


def _with_defaults(stored: dict[str, Any]) -> dict[str, Any]:
    """Fill in fields that an older version of comparison.json lacked; return it unchanged if it is invalid."""
    try:
        return Comparison.model_validate(stored).model_dump(mode="json")
    except ValidationError:
        return stored


def study_differences(path: Path, rebuild: Rebuild) -> Iterator[str]:
    """Check a study-*.json against its study and its runs.

    Raises:
        RunError: the file, or one of its runs, is missing or damaged.
        DataError, UsageError, RegistryError: the corpus or a model cannot be rebuilt.
    """
    record = read_study(path)
    yield from compare_values("schema_version", record.schema_version, SCHEMA_VERSION)
    study = record.study.scaled(record.matched)
    trials, runs = record.read_trials(path.parent), record.read_runs(path.parent)
    untuned, searched = record.read_untuned(path.parent), search_runs(record, path.parent)
    for run in [*trials, *searched, *untuned, *runs]:
        rebuild.trust.allow(run.recorded)
    rebuild.trust.check(*(model.model.name for model in study.models))
    rounds, counted = record.rounds or ((study.lr_grid,) if study.lr_grid else ()), find_counted(study.models)
    expected_trials = [[config for config in study.trials(rates) if config.label not in counted] for rates in rounds]
    yield from _listing_differences("trials", record.trials, trials, list(chain(*expected_trials)))
    yield from compare_values("rounds of the grid", rounds, _search_again(study, trials))
    yield from _listing_differences("runs", record.runs, runs, study.runs())
    yield from _listing_differences("untuned", record.untuned, untuned, study.runs() if record.searches else [])
    yield from compare_values("a search", bool(record.searches), study.search.wanted)
    yield from look_differences(path, record)
    digests: dict[str, str] = {}
    for run in [*runs, *untuned, *trials, *searched]:
        own = run.recorded.data.digest
        first = digests.setdefault(run.recorded.run.data.rotation, own)
        yield from compare_values(f"corpus of {run.directory.name}", own, first)
    rates = choose_rates(trials)
    for run in runs:
        lr = run.recorded.settings["lr"]
        yield from compare_values(f"learning rate of {run.directory.name}", lr, rates.get(run.label, lr))
    listed = [read_run(path.parent / trial.run) for own in record.searches.values() for trial in own.trials]
    yield from compare_values("file name", path.name, record_name(record.study, [*trials, *listed, *untuned, *runs]))
    matched = {label: as_json(model) for label, model in match_sizes(record.study, rebuild.corpus(study.data)).items()}
    yield from differences({label: as_json(model) for label, model in record.matched.items()}, matched, "matched")
    *trial_cells, run_cells = (
        place([rebuild.cell(config) for config in configs], record.ways)
        for configs in (*expected_trials, _reported(study, rates, record))
    )
    if record.searches:
        for found in search_differences(study, record, path.parent, rebuild):
            yield from [found] if isinstance(found, str) else _settings_differences(*found, rebuild)
        for run, cell in zip(untuned, place(list(map(rebuild.cell, study.runs())), record.ways), strict=True):
            yield from _settings_differences(run, cell, rebuild)
    for run, cell in zip([*trials, *runs], [*chain(*trial_cells), *run_cells], strict=True):
        yield from _settings_differences(run, cell, rebuild)
    failed = {run.label for run in runs if run.result.status == "failed"}  # failed models are not measured
    measured = {cell.config.label: cell for cell in in_first_split(run_cells) if cell.config.label not in failed}
    yield from cost_differences(record, measured, rebuild)
    yield from length_differences(record, path.parent, rebuild)
    if record.xz is not None:
        compressed = compress_test(rebuild.corpus(study.data if study.splits == 1 else study.in_splits()[0]))
        for name in ("bits_per_byte", "nats_per_token"):
            again = None if compressed is None else getattr(compressed, name)
            near = OTHER_XZ * (again or 0.0) / (compressed.bits_per_byte or 1.0) if compressed else 0.0
            yield from compare_values(f"xz, {name}", getattr(record.xz, name), again, tolerance=near)


def _reported(study: StudyConfig, rates: Mapping[str, float], record: StudyRecord) -> list[RunConfig]:
    """Return the reported runs, at the rates of a grid or the settings of a search."""
    if record.searches:
        return study.tuned(find_changes(record.searches))
    return study.chosen(rates)


def _search_again(study: StudyConfig, trials: Sequence[Run]) -> tuple[Rates, ...]:
    """Repeat the search of the grid with the losses of these trials; its rounds include one without trials."""
    return search_rates(study, lambda rates: [run for run in trials if run.recorded.settings["lr"] in rates]).rounds


def _listing_differences(
    kind: str, names: Sequence[str], runs: Sequence[Run], expected: Sequence[RunConfig]
) -> Iterator[str]:
    """Check that the record lists the runs of the study in their order, each with its folder."""
    yield from compare_values(f"number of {kind}", len(runs), len(expected))
    for index, (name, run, config) in enumerate(zip(names, runs, expected, strict=False)):
        yield from compare_values(f"{kind}[{index}]", *(_describe_run(own) for own in (run.recorded.run, config)))
        place = run_name(run.recorded.run, run.recorded.fingerprint)
        yield from compare_values(f"{kind}[{index}]", name, (f"{GRID_FOLDER}/" if config.trial else "") + place)


def _describe_run(config: RunConfig) -> str:
    """Name a run among those of its study."""
    number, of = config.data.turn
    return f"{config.label} under seed {config.seed}" + (f" in split {number} of {of}" if number > 1 else "")


def _settings_differences(run: Run, expected: Cell, rebuild: Rebuild) -> Iterator[str]:
    """Check that a run is the one of the study, which may write the same run in other settings."""
    own, expected = (cell.as_recorded(run.recorded) for cell in (rebuild.cell(run.recorded.run), expected))
    name = run.directory.name
    yield from differences(run.recorded.settings, expected.recorded.settings, f"settings of {name}")
    if own.recorded.fingerprint == expected.recorded.fingerprint:
        return
    yield from differences(_identity(own), _identity(expected), f"{name}")
    yield f"{name}: it is not the run that the study asks for"


def _identity(cell: Cell) -> dict[str, Any]:
    """The parts of a run's identity beside its settings."""
    config = cell.config
    return {
        "model": str(config.model),
        "context": config.context,
        "trial": config.trial,
        "data": as_json(cell.data) | {"name": None, "bytes": None, "tokens": config.data.tokens},
        "training": as_json(
            config.training.model_copy(
                update={"steps": None, "tokens": None, "flops": None, "lr": None, "execution": "auto"}
            )
        ),
    }
