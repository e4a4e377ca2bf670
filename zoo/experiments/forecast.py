"""What a study would train, how big, and about how long: a few real steps of each model, timed."""

from statistics import median
from typing import Any

from zoo.data.corpus import Corpus
from zoo.experiments.cell import Cell, make_model, prepare, row_length
from zoo.experiments.compare import Plan
from zoo.experiments.record import is_run
from zoo.training.device import Stopwatch, isolated
from zoo.training.loop import TrainStep, draw

WARM, TIMED = 2, 5


def forecast(plan: Plan, corpus: Corpus) -> list[dict[str, Any]]:
    """A row a run: its directory below `out`, whether it is there already, its size, and seconds if it is not.

    The seconds are those of training; evaluations come on top.

    Raises:
        RegistryError, UsageError, RunError: as preparing the study does.
    """
    configs = [*plan.trials(), *plan.runs(plan.any_rates())]
    cells = [prepare(config, corpus, plan.directory) for config in configs]
    pace: dict[str, float] = {}
    rows = []
    for cell in cells:
        there, steps = is_run(cell.directory), cell.settings.steps
        seconds = 0.0 if there else cell.settings.seconds
        if seconds is None and steps is not None:
            if cell.config.label not in pace:
                pace[cell.config.label] = seconds_per_step(cell, corpus)
            seconds = steps * pace[cell.config.label]
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


def seconds_per_step(cell: Cell, corpus: Corpus) -> float:
    """The median of a few real steps of a fresh model, which is thrown away."""
    config = cell.config
    with isolated(cell.device, threads=config.training.threads, seed=config.seed):
        model = make_model(config, len(corpus.vocabulary)).to(cell.device)
        rows = corpus.rows("train", length=row_length(config), device=cell.device)
        step = TrainStep(model, cell.settings, cell.device)
        times = []
        for number in range(WARM + TIMED):
            clock = Stopwatch(cell.device)
            clock.start()
            step(draw(rows, cell.settings, config.seed, number), cell.settings.lr)
            clock.stop()
            times.append(clock.seconds)
    return median(times[WARM:])
