"""Forecast what a study would train, how big, and about how long, from a few real steps of each model."""

from typing import Any

from zoo.experiments.compare import Plan
from zoo.experiments.records.run import Run, is_done, read_run
from zoo.experiments.runs.rates import Rates, choose_rates, search_rates
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.timing import get_speed, measure_training
from zoo.experiments.runs.workers import count_cores


def forecast(plan: Plan) -> list[dict[str, Any]]:
    """A row a run: its directory below `out`, whether it is there already, its size, and seconds if it is not.

    The seconds are those of training; evaluations come on top. `at_once` is how many such runs share the time.

    Raises:
        RunError: a trial that is there is damaged.
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
