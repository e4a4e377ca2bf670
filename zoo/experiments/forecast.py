"""Forecast the runs of a study, their sizes and durations, from a few real steps of each model."""

from typing import Any

from zoo.experiments.compare import Plan
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.runs.rates import Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.timing import get_speed, measure_training
from zoo.experiments.runs.workers import count_cores


def forecast(plan: Plan) -> list[dict[str, Any]]:
    """Return a row per run: its directory, whether it is done, its parameters, and its seconds (0 if done).

    Seconds are those of training, without evaluations. `at_once` is the number of runs that share this time.

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
    unknown = {c.config.label: c for c in cells if c.settings.steps is not None and not is_done(c.directory)}
    speeds = measure_training(list(unknown.values()), plan.corpus)
    rows = []
    for cell in cells:
        there, steps = is_done(cell.directory), cell.settings.steps
        seconds = 0.0 if there else cell.settings.seconds
        if seconds is None and steps is not None:
            seconds = steps * get_speed(speeds, cell.config.label).seconds
        rows.append(
            {
                "run": str(cell.directory),
                "label": cell.config.label,
                "seed": cell.config.seed,
                "there": there,
                "parameters": cell.model.parameters,
                "steps": steps,
                "seconds": seconds,
                "at_once": count_cores() if cell.config.training.execution == "side-by-side" else 1,
            }
        )
    return rows
