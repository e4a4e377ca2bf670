"""Find the fastest way to execute the runs of a model, by timing a few real steps each way."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from zoo.config import Way
from zoo.data.corpus import Corpus
from zoo.experiments.records.run import is_done
from zoo.experiments.runs.budget import row_layout, row_length
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.timing import get_speed, make_stacked_steps, make_steps, measure_in_turns, measure_training
from zoo.experiments.runs.workers import count_cores, run_apart, run_in_processes
from zoo.surroundings import isolated
from zoo.training.stacked.stackable import why_not_stacked

BETTER = 1.1
"""Factor by which a way must be faster to be preferred, because timings are noisy."""


def estimate_seconds(cells: Sequence[Cell], corpus: Corpus) -> float:
    """Estimate the seconds of the missing runs of a model from its first step."""
    todo = [cell for cell in cells if not is_done(cell.directory)]
    seconds = sum(cell.settings.seconds or 0 for cell in todo)
    steps = sum(cell.settings.steps or 0 for cell in todo)
    if steps:
        with suppress(Exception):  # its run will report the error
            seconds += steps * run_apart(lambda: _time_first_step(cells[0], corpus))
    return seconds


def _time_first_step(cell: Cell, corpus: Corpus) -> float:
    rows = corpus.rows("train", length=row_length(cell.config), device=cell.device)
    with isolated(cell.device, threads=1, seed=cell.config.batch_seed):
        work = make_steps(cell, corpus, rows)
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def find_fastest(ways: Sequence[Way], cells: Sequence[Cell], corpus: Corpus) -> tuple[Way, dict[str, float]]:
    """Return the fastest way for the runs of a model, and way -> steps per second of all runs at once."""
    if explain_not_stacked(cells[0], corpus):
        ways = [way for way in ways if way.how != "stacked"]
    try:
        rates = run_apart(lambda: [_measure_rate(way, cells, corpus) for way in ways])
    except Exception:  # its run will report the error
        return ways[0], {}
    best = 0
    for number, rate in enumerate(rates):
        best = number if rate > BETTER * rates[best] else best
    names = [f"{way.how}, {way.threads} thread{'s' * (way.threads > 1)}" for way in ways]
    return ways[best], dict(zip(names, rates, strict=True))


def _measure_rate(way: Way, cells: Sequence[Cell], corpus: Corpus) -> float:
    """Measure steps per second, summed over all runs that run at once."""
    (cell, *_), cores = cells, count_cores()
    timed = cell.on_threads(way.threads)

    def measured(_: Callable[[None], None]) -> float:
        return 1 / get_speed(measure_training([timed], corpus), cell.config.label).seconds

    if way.how == "side-by-side":
        return sum(run_in_processes([measured] * cores, at_once=cores))
    if way.how == "stacked":
        prepare = lambda one: make_stacked_steps(one, len(cells), corpus)  # noqa: E731
        return len(cells) / get_speed(measure_in_turns([timed], prepare), cell.config.label).seconds
    return measured(lambda _: None)


def explain_not_stacked(cell: Cell, corpus: Corpus) -> str | None:
    """Return why a replica in a stack would not compute the same as alone on these batches; None if it would."""
    return why_not_stacked(cell.model.build, [row_layout(cell.config, corpus)], cell.config.training.dtype)
