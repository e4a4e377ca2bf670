"""Run a study that is planned: choose rates and settings, train, record, measure.

Each model passes once through `match_sizes` (its width), `resolve_all` (find, build and check it), `choose_ways` (time
it), `search_rates` or `search_settings` (its learning rate, or more) and `execute_all` (train it). From `resolve_all`
on its runs are `Cell`s.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from zoo.blame import describe_error
from zoo.data.compression import compress_test
from zoo.errors import ZooError
from zoo.experiments.judge.sequential import study_level
from zoo.experiments.judge.summarise import summarise
from zoo.experiments.looks import earlier_looks
from zoo.experiments.plan import Plan
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import Run, read_run
from zoo.experiments.records.study import StudyRecord, Xz, describe_study, read_study, with_questions, write_study
from zoo.experiments.runs.batch import Listener, execute_all
from zoo.experiments.runs.cost import measure_costs
from zoo.experiments.runs.elsewhere import copy_same_runs
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.rates import Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell, in_first_split
from zoo.experiments.runs.samples import draw_samples
from zoo.experiments.runs.strategy import agree_on_ways
from zoo.experiments.runs.working_folder import lock, lock_of, remove_lock
from zoo.experiments.search import search_settings
from zoo.experiments.study.config import StudyConfig
from zoo.whole_file import remove_unfinished

SAMPLES = 12
"""Number of samples per model in a report."""


def run_study(plan: Plan, listener: Listener) -> tuple[Path, StudyRecord]:
    """Execute the missing runs; return the file of the comparison's record, and the record.

    Raises:
        RunError: a folder that is no run has the path of a run, or a source changed meanwhile.
    """
    ways = agree_on_ways(plan.directory, plan.configs(), plan.choices, plan.kept_choices)
    plan = replace(plan, choices=ways)
    cells, planned = plan.runs({}), 0

    def try_all(rates: Rates) -> list[Run]:
        nonlocal planned
        trials = plan.trials(rates)
        planned += len(trials)
        listener.planned(planned + len(cells))
        if not plan.fresh:
            copy_same_runs(trials)
        return execute_all(trials, plan.corpus, listener, plan.engine)

    listener.planned(len(plan.trials()) + len(cells))
    search = search_rates(plan.study, try_all)
    tried = search.trials
    searches, untuned = search_settings(plan, listener), list[Run]()
    if tried:
        cells = plan.runs(choose_rates(tried), search.grid)
    if searches:
        untuned = _execute_splits(plan, cells, listener)
        cells = plan.tuned(searches)
    runs = _execute_splits(plan, cells, listener)
    searched = [read_run(plan.directory / trial.run) for own in searches.values() for trial in own.trials]
    path = plan.directory / record_name(plan.study, [*tried, *searched, *untuned, *runs])
    remove_unfinished(path)
    if path.is_file():
        remove_lock(lock_of(path))
        return path, _ask(path, plan.study)
    record = StudyRecord(
        study=plan.study,
        matched=dict(plan.matched),
        rounds=search.rounds if plan.study.lr_grid_extends else (),
        trials=tuple(str(run.directory.relative_to(plan.directory)) for run in tried),
        runs=tuple(str(run.directory.relative_to(plan.directory)) for run in runs),
        untuned=tuple(str(run.directory.relative_to(plan.directory)) for run in untuned),
        searches=searches,
        looked=earlier_looks(plan.study, plan.directory),
        ways=plan.ways,
    )
    with lock(lock_of(path), wait=True):
        if not path.is_file():
            write_study(path, record)
    return path, _ask(path, plan.study)


def _ask(path: Path, study: StudyConfig) -> StudyRecord:
    """Return the record in a file with the questions of a study; write them where the file can be written."""
    record = read_study(path)
    if (record.study.target, record.study.test_lengths) == (study.target, study.test_lengths):
        return record
    if not os.access(path.parent, os.W_OK):
        return with_questions(record, study)
    with lock(lock_of(path), wait=True):
        record = with_questions(read_study(path), study)
        write_study(path, record)
    return record


def run_until_decided(plan: Plan, listener: Listener) -> tuple[Path, StudyRecord]:
    """Run the seeds of one planned look after the other, until more seeds would decide nothing.

    Raises:
        RunError: as `run_study`.
        UsageError: earlier looks at the same seeds have spent the whole error.
    """
    for number in plan.study.reachable_looks:
        study_level(plan.study, earlier_looks(plan.study, plan.directory))
        path, record = run_study(plan.with_seeds(number), listener)
        sequential = summarise(path, record).sequential
        if sequential is None or not sequential.asks_for_seeds:
            break
    return path, record


def _execute_splits(plan: Plan, cells: Sequence[Cell], listener: Listener) -> list[Run]:
    """Execute the cells of every split in turn, or copy their runs from other studies."""
    if not plan.fresh:
        copy_same_runs(cells)
    runs = list[Run]()
    for rotation, corpus in plan.corpora.items():
        own = [cell for cell in cells if cell.config.data.rotation == rotation]
        runs += execute_all(own, corpus, listener, plan.engine)
    return runs


def add_probes(plan: Plan, path: Path, record: StudyRecord) -> StudyRecord:
    """Return the record with each model's costs and samples; measure them if they are missing.

    Nothing else runs meanwhile. Of two processes on one study the first one measures and the other waits, so both
    report the same numbers.
    """
    if has_probes(record, path.parent):
        return record
    with lock(lock_of(path), wait=True):
        now = read_study(path)
        if not has_probes(now, path.parent):
            now = measure_probes(plan, now, path.parent)
            write_study(path, now)
    return now


def add_samples(path: Path, record: StudyRecord) -> tuple[StudyRecord, str | None]:
    """Return the record of a single run with samples, drawn if missing, and why there are none, or None.

    Of two processes the first one draws, as in `add_probes`.
    """
    (run,) = record.read_runs(path.parent)[:1]
    if run.label in record.samples or not _is_sampled(run):
        return record, None
    with lock(lock_of(path), wait=True):
        now = read_study(path)
        if run.label in now.samples:
            return now, None
        try:
            samples = {**now.samples, run.label: tuple(draw_samples(run, load_model(run)[0], count=SAMPLES))}
        except Exception as error:  # a foreign model may train but fail to stream
            return now, f"no samples: {type(error).__name__}: {error}".splitlines()[0]
        now = now.model_copy(update={"samples": samples})
        write_study(path, now)
    return now, None


def _is_sampled(run: Run) -> bool:
    return run.result.status == "finished" and run.recorded.data.can_be_sampled


def has_probes(record: StudyRecord, directory: Path) -> bool:
    """Return whether the record has costs of every model that did not fail; a failed one cannot be probed."""
    found = record.read_runs(directory)
    return set(record.costs) >= {run.label for run in found} - _failed(found)


def _failed(runs: Sequence[Run]) -> set[str]:
    return {run.label for run in runs if run.result.status == "failed"}


def measure_probes(plan: Plan, record: StudyRecord, directory: Path) -> StudyRecord:
    """Measure costs and samples; return the record with them."""
    found = record.read_runs(directory)
    runs, failed = {run.label: run for run in reversed(found)}, _failed(found)  # of the first seed in the first split
    threads = max(way.threads for way in plan.ways.values())  # the same for all, for comparable speeds
    first = in_first_split(plan.tuned(record.searches))  # costs equal those of a comparison on one split
    cells = {cell.config.label: cell.on_threads(threads) for cell in first if cell.config.label not in failed}
    costs, samples = measure_costs(list(cells.values()), plan.corpus), {}
    for label, run in runs.items():
        if _is_sampled(run):
            try:
                samples[label] = tuple(draw_samples(run, load_model(run)[0], count=SAMPLES))
            except Exception as error:  # a foreign model may train but fail to stream
                why = str(error).partition("\n")[0] if isinstance(error, ZooError) else describe_error(error)
                costs[label] = costs[label].model_copy(
                    update={"unmeasured": {**costs[label].unmeasured, "samples": why}}
                )
    found_size = compress_test(plan.corpus)
    xz = Xz(**asdict(found_size)) if found_size else None
    return record.model_copy(update={"costs": costs, "samples": samples, "xz": xz})


def record_name(study: StudyConfig, runs: Sequence[Run]) -> str:
    """Return the file name of a comparison's record, a fingerprint of its settings, trials and runs."""
    fingerprints = [run.recorded.fingerprint for run in runs]
    return f"study-{fingerprint({'study': describe_study(study), 'runs': fingerprints})}.json"
