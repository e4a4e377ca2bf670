"""A comparison computed again: what it asked for from its study, what answers it from its runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zoo.config import RunConfig, as_json
from zoo.errors import RunError
from zoo.experiments.compare import choose_rates, record_name
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.records.run import SCHEMA_VERSION, Run
from zoo.experiments.records.study import Cost, StudyRecord, read_study
from zoo.experiments.runs.cost import STREAM, count_flops, count_trained_buffers, measure_state
from zoo.experiments.runs.identity import run_name
from zoo.experiments.runs.resolve import Cell, in_first_split
from zoo.experiments.runs.size_matching import match_sizes
from zoo.experiments.runs.strategy import place
from zoo.experiments.verify.diff import compare, differences
from zoo.experiments.verify.rebuild import CPU, Rebuild
from zoo.surroundings import isolated


def record_of(comparison: Path) -> Path:
    """The record that a comparison.json names.

    Raises:
        RunError: it cannot be read, or the record is not there.
    """
    try:
        record = comparison.parent / Path(json.loads(comparison.read_text())["record"]).name
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"'{comparison}' cannot be read: {type(error).__name__} {error}") from None
    if not record.is_file():
        raise RunError(f"record: '{record.name}' is not there.")
    return record


def comparison_differences(path: Path, _: Rebuild) -> Iterator[str]:
    """The numbers of a comparison.json that its runs do not give.

    Costs and samples were measured once and are compared with the record that they stand in.

    Raises:
        RunError: the record, or a run of it, is missing or damaged.
    """
    record = record_of(path).absolute()
    again = summarise(record, read_study(record)).model_dump(mode="json")
    moved = {"folder": record.parent.name}  # a folder may be called otherwise by now: no number depends on it
    yield from differences(_with_defaults(json.loads(path.read_text())) | moved, again | moved)


def _with_defaults(stored: dict[str, Any]) -> dict[str, Any]:
    """A comparison.json with what one of an earlier version did not have yet; one that does not fit as it is."""
    try:
        return Comparison.model_validate(stored).model_dump(mode="json")
    except ValidationError:
        return stored


def study_differences(path: Path, rebuild: Rebuild) -> Iterator[str]:
    """What in a study-*.json is not as its study and its runs say.

    Raises:
        RunError: it, or a run of it, is missing or damaged.
        DataError, UsageError, RegistryError: corpus or a model cannot be had again.
    """
    record = read_study(path)
    yield from compare("schema_version", record.schema_version, SCHEMA_VERSION)
    study = record.study.scaled(record.matched)
    trials, runs = record.read_trials(path.parent), record.read_runs(path.parent)
    yield from _places("trials", record.trials, trials, study.trials())
    yield from _places("runs", record.runs, runs, study.runs())
    digests: dict[str, str] = {}
    for run in [*runs, *trials]:
        own = run.recorded.data.digest
        first = digests.setdefault(run.recorded.run.data.rotation, own)
        yield from compare(f"corpus of {run.directory.name}", own, first)
    rates = choose_rates(trials)
    for run in runs:
        lr = run.recorded.settings["lr"]
        yield from compare(f"learning rate of {run.directory.name}", lr, rates.get(run.label, lr))
    yield from compare("file name", path.name, record_name(record.study, [*trials, *runs]))
    matched = {label: as_json(model) for label, model in match_sizes(record.study, rebuild.corpus(study.data)).items()}
    yield from differences({label: as_json(model) for label, model in record.matched.items()}, matched, "matched")
    tried, asked = (
        place([rebuild.cell(config) for config in configs], record.ways)
        for configs in (study.trials(), study.chosen(rates))
    )
    for run, cell in zip([*trials, *runs], [*tried, *asked], strict=True):
        yield from _as_asked(run, cell, rebuild)
    yield from _probed(record, {cell.config.label: cell for cell in in_first_split(asked)}, rebuild)


def _places(kind: str, names: Sequence[str], runs: Sequence[Run], asked: Sequence[RunConfig]) -> Iterator[str]:
    """The runs that the study asks for, in its order, each where it belongs."""
    yield from compare(f"number of {kind}", len(runs), len(asked))
    for index, (name, run, config) in enumerate(zip(names, runs, asked, strict=False)):
        yield from compare(f"{kind}[{index}]", *(_which(own) for own in (run.recorded.run, config)))
        place = run_name(run.recorded.run, run.recorded.fingerprint)
        yield from compare(f"{kind}[{index}]", name, ("lr-grid/" if config.trial else "") + place)


def _which(config: RunConfig) -> str:
    """A run of a study, told from the others."""
    number, of = config.data.turn
    return f"{config.label} under seed {config.seed}" + (f" in split {number} of {of}" if number > 1 else "")


def _as_asked(run: Run, asked: Cell, rebuild: Rebuild) -> Iterator[str]:
    """Nothing, where a run is the one that was asked for, though it may have been asked for in other words."""
    own = rebuild.cell(run.recorded.run)
    name = run.directory.name
    yield from differences(run.recorded.settings, asked.recorded.settings, f"settings of {name}")
    if own.recorded.fingerprint == asked.recorded.fingerprint:
        return
    yield from differences(_words(own), _words(asked), f"{name}")
    yield f"{name}: it is not the run that the study asks for"


def _words(cell: Cell) -> dict[str, Any]:
    """What makes a run another one, beside its settings."""
    config = cell.config
    return {
        "model": str(config.model),
        "context": config.context,
        "trial": config.trial,
        "data": as_json(cell.data) | {"name": None, "tokens": config.data.tokens},
        "training": as_json(
            config.training.model_copy(
                update={"steps": None, "tokens": None, "flops": None, "lr": None, "execution": "auto"}
            )
        ),
    }


def _probed(record: StudyRecord, cells: Mapping[str, Cell], rebuild: Rebuild) -> Iterator[str]:
    """What was measured beside training, as far as it is arithmetic: timings, memory and samples are not."""
    for kind, labels in (("costs", record.costs), ("samples", record.samples)):
        if strange := sorted(set(labels) - set(cells)):
            yield f"{kind}: '{strange[0]}' is no model of the study"
    if record.costs:
        yield from compare("costs", sorted(record.costs), sorted(cells))
    for label, cost in record.costs.items():
        again = _cost_again(cost, cells[label], rebuild)
        yield from differences({name: getattr(cost, name) for name in again}, again, f"costs.{label}")


def _cost_again(cost: Cost, cell: Cell, rebuild: Rebuild) -> dict[str, float | int | bool | None]:
    tokens = max(cell.config.context, cell.model.receptive_field or 0, STREAM)
    again: dict[str, Any] = {
        "parameters": cell.model.parameters,
        "declared_field": cell.model.receptive_field,
        "state_tokens": tokens,
    }
    with isolated(CPU, threads=cell.config.training.threads, seed=cell.config.seed):
        if cost.flops_forward is not None or cost.flops_training is not None:
            model, rows = cell.build(), rebuild.rows(cell.config, "train", CPU)
            arithmetic = count_flops(model, cell, rows)
            again |= {"flops_forward": arithmetic.forward, "flops_training": arithmetic.training}
            again |= {"flops_uncounted": arithmetic.uncounted, "flops_fitted": arithmetic.fitted}
        if cost.buffers is not None:
            model, untrained = (cell.build() for _ in range(2))
            again["buffers"] = count_trained_buffers(model, untrained, cell, rebuild.rows(cell.config, "train", CPU))
        if cost.state_bytes is not None or cost.state_grows is not None:
            state = measure_state(cell.build(), tokens)
            again |= {"state_bytes": state.bytes, "state_grows": state.grows}
    return again
