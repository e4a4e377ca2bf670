"""Search the settings of every model of a study, in rounds of trials of all models."""

import os
from contextlib import suppress

from zoo.config import RunConfig
from zoo.errors import RunError
from zoo.experiments.plan import Plan
from zoo.experiments.records.search import SearchRecord
from zoo.experiments.records.study import read_study
from zoo.experiments.runs.batch import Listener, execute_all
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.strategy import choose_trial_way
from zoo.experiments.runs.tuning.tune import hold, make_tuners


def search_settings(plan: Plan, listener: Listener) -> dict[str, SearchRecord]:
    """Search the settings of every model, in rounds of trials of all models; empty if the study has no search.

    Raises:
        ZooError, RunError: the database cannot be opened.
        UsageError: the FLOPs of the search do not suffice for a trial.
    """
    written = {cell.config.label: cell for cell in reversed(plan.runs({}))}
    cells: dict[str, Cell] = {}

    def resolve(config: RunConfig) -> Cell:
        key = config.model_dump_json()
        if key not in cells:
            (cells[key],) = plan.resolve([config])
            cells[key] = cells[key].in_way(choose_trial_way(config))
        return cells[key]

    if not plan.spaces:
        return {}
    if not os.access(plan.directory, os.W_OK) and plan.directory.exists():
        return _read_searches(plan)  # finished studies on a read-only disk can still be shown
    study = plan.study.scaled(plan.matched)
    tuners = make_tuners(study, written, plan.spaces, resolve, plan.corpus, plan.directory, plan.storage)
    done = 0
    while True:
        with hold(plan.directory):
            todo = [cell for tuner in tuners for cell in tuner.go_on()]
        if not todo:
            return {tuner.label: tuner.record(plan.directory) for tuner in tuners}
        done += len(todo)
        listener.planned(max(done, len(tuners) * (plan.study.search.most_trials or 0)) + 2 * len(plan.runs({})))
        execute_all(todo, plan.corpus, listener, plan.engine)


def _read_searches(plan: Plan) -> dict[str, SearchRecord]:
    """Return the searches that a record of the same study has.

    Raises:
        RunError: there is none, and the folder cannot be written to.
    """
    for path in sorted(plan.directory.glob("study-*.json")):
        with suppress(RunError):  # `verify` reports damaged records
            if (record := read_study(path)).study == plan.study:
                return dict(record.searches)
    raise RunError(f"'{plan.directory}' cannot be written to, and has no finished search of these settings.")
