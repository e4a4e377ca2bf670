"""Forecast the runs of a study, their sizes and durations, from a few real steps of each model."""

from collections.abc import Mapping
from typing import Any

from zoo.experiments.plan import Plan
from zoo.experiments.records.run import SEARCH_FOLDER, Run, is_done, read_run
from zoo.experiments.runs.identity import file_name
from zoo.experiments.runs.rates import Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.strategy import choose_trial_way
from zoo.experiments.runs.timing import Speed, get_speed, measure_training
from zoo.experiments.runs.tuning.tune import count_next, count_trial_flops
from zoo.experiments.runs.workers import count_cores


def forecast(plan: Plan) -> list[dict[str, Any]]:
    """Return a row per run: its directory, whether it is done, its parameters, and its seconds (0 if done).

    Seconds are those of training, without evaluations. `at_once` is the number of runs that share this time, and
    `may_stop` whether a run that solves its task takes less. Trials of a search and tuned runs are taken to be like the
    model as written, and none to be pruned.

    Raises:
        RunError: a stored trial is damaged.
    """
    trials, rates = list[Cell](), dict[str, float]()

    def read_trials(tried: Rates) -> list[Run] | None:
        cells = plan.trials(tried)
        trials.extend(cells)
        return [read_run(cell.directory) for cell in cells] if all(is_done(cell.directory) for cell in cells) else None

    search = search_rates(plan.study, read_trials)
    if search.trials and len(search.trials) == len(trials):
        rates = choose_rates(search.trials)
    cells = [*trials, *plan.runs(rates)]
    searched = {label: next(cell for cell in cells if cell.config.label == label) for label in plan.spaces}
    unknown = {
        cell.config.label: cell
        for cell in cells
        if cell.settings.steps is not None and (searched or not is_done(cell.directory))
    }
    speeds = measure_training(list(unknown.values()), plan.corpus)
    rows = [_row(cell, speeds, there=is_done(cell.directory)) for cell in cells]
    for label, cell in searched.items():
        trial = cell.in_way(choose_trial_way(cell.config))
        done = _count_trials(plan, label)
        row = _row(trial, speeds, there=False) | {"run": "", "label": f"{label}, trials"}
        finished = row | {"there": True, "seconds": 0.0}
        rows += [finished if number < done else row for number in range(_most_trials(plan, trial) or done)]
        tuned = _row(cell, speeds, there=False) | {"run": "", "label": f"{label}, tuned"}
        rows += [tuned | {"seed": own["seed"]} for own in list(rows) if own["label"] == label]
    return rows


def _row(cell: Cell, speeds: Mapping[str, Speed | Exception], *, there: bool) -> dict[str, Any]:
    steps, seconds = cell.settings.steps, 0.0 if there else cell.settings.seconds
    if seconds is None and steps is not None:
        seconds = steps * get_speed(speeds, cell.config.label).seconds
    return {
        "run": str(cell.directory),
        "label": cell.config.label,
        "seed": cell.config.seed,
        "there": there,
        "parameters": cell.model.parameters,
        "steps": steps,
        "seconds": seconds,
        "at_once": count_cores() if cell.config.training.execution == "side-by-side" else 1,
        "may_stop": cell.config.training.stop_when_solved,
    }


def _most_trials(plan: Plan, trial: Cell) -> int | None:
    """Return the number of trials of a model if none is pruned; None if its FLOPs cannot be counted beforehand."""
    search, space = plan.study.search, plan.spaces[trial.config.label]
    flops = count_trial_flops(trial, plan.corpus) if search.flops else None
    if search.flops and not flops:
        return None
    spent: list[int | None] = []
    while more := count_next(search, space, spent, flops):
        spent += [None] * more
    return len(spent)


def _count_trials(plan: Plan, label: str) -> int:
    """Count the runs of a model's trials that are done, also those of earlier searches in this folder."""
    places = (plan.directory / SEARCH_FOLDER).glob(f"{file_name(label)}-seed*")
    most = plan.study.search.most_trials
    done = sum(is_done(place) for place in places)
    return done if most is None else min(done, most)
