"""What a study would train, how big, and about how long: a few real steps of each model, timed."""

from typing import Any

from zoo.experiments.compare import Plan
from zoo.experiments.record import is_run
from zoo.experiments.speed import told, training_speed


def forecast(plan: Plan) -> list[dict[str, Any]]:
    """A row a run: its directory below `out`, whether it is there already, its size, and seconds if it is not.

    The seconds are those of training; evaluations come on top.

    Raises:
        RegistryError, UsageError, RunError: as preparing the study does.
    """
    configs = [*plan.trials(), *plan.runs(plan.any_rates())]
    cells = plan.cells(configs)
    unknown = {c.config.label: c for c in cells if c.settings.steps is not None and not is_run(c.directory)}
    speeds = training_speed(list(unknown.values()), plan.corpus)
    rows = []
    for cell in cells:
        there, steps = is_run(cell.directory), cell.settings.steps
        seconds = 0.0 if there else cell.settings.seconds
        if seconds is None and steps is not None:
            seconds = steps * told(speeds, cell.config.label).seconds
        rows.append(
            {
                "run": str(cell.directory),
                "label": cell.config.label,
                "seed": cell.config.seed,
                "there": there,
                "parameters": cell.parameters,
                "steps": steps,
                "seconds": seconds,
            }
        )
    return rows
