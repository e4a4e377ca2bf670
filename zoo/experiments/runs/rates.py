"""Choose learning rates from a grid, and extend the grid until no model's best rate lies at its edge."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from zoo.experiments.records.run import Run
from zoo.experiments.study.config import StudyConfig

MOST_ROUNDS = 8
"""Maximum number of extensions of a grid; with a factor of 3.2 that is four orders of magnitude."""
Rates = tuple[float, ...]


@dataclass(frozen=True)
class Search:
    """Trials of a grid: the rates of each round, the first one the grid itself, and the runs in order."""

    rounds: tuple[Rates, ...]
    trials: tuple[Run, ...]

    @property
    def grid(self) -> Rates:
        """All rates at which every model was tried, ascending."""
        return tuple(sorted(rate for rates in self.rounds for rate in rates))


def search_rates(study: StudyConfig, run: Callable[[Rates], Sequence[Run] | None]) -> Search:
    """Try the grid of a study; with `lr_grid_extends` extend it, by the same rates for every model.

    Args:
        run: runs every model at the given rates; returns None to end the search.
    """
    rounds, trials = list[Rates](), list[Run]()
    rates = study.lr_grid
    while rates and (tried := run(rates)) is not None:
        rounds.append(rates)
        trials += tried
        more = study.lr_grid_extends and len(rounds) <= MOST_ROUNDS
        grid = [rate for own in rounds for rate in own]
        rates = extend_grid(study.lr_grid, grid, _best_rates(trials)) if more else ()
    return Search(tuple(rounds), tuple(trials))


def _best_rates(trials: Sequence[Run]) -> set[float]:
    """Return the models' best rates, except of models that failed or are refused at every rate."""
    trained = {run.label for run in trials if run.result.status in ("finished", "diverged")}
    return {rate for label, rate in choose_rates(trials).items() if label in trained}


def extend_grid(start: Rates, tried: Sequence[float], best: Collection[float]) -> Rates:
    """Return rates beyond each edge of the tried rates that is a best rate; empty if none is.

    Args:
        start: the first grid; its mean factor gives the next rate.
        tried: all tried rates.
        best: best rates of the models.
    """
    factor = (start[-1] / start[0]) ** (1 / (len(start) - 1))
    low, high = min(tried), max(tried)
    beyond = [_round(low / factor, low)] if low in best else []
    beyond += [_round(high * factor, high)] if high in best else []
    return tuple(rate for rate in beyond if 0 < rate < math.inf)


def _round(rate: float, edge: float) -> float:
    """Round to three digits if the result is still beyond the edge."""
    short = float(f"{rate:.3g}")
    return short if (short < edge) == (rate < edge) and short != edge else rate


def choose_rates(trials: Sequence[Run]) -> dict[str, float]:
    """Return label -> rate with the lowest validation loss; unfinished runs lose against any other."""

    def key(run: Run) -> tuple[float, float]:
        loss = run.result.validation_loss if run.result.status == "finished" else None
        return math.inf if loss is None else loss, run.recorded.settings["lr"]

    by_label: dict[str, list[Run]] = {}
    for run in trials:
        by_label.setdefault(run.label, []).append(run)
    return {label: min(runs, key=key).recorded.settings["lr"] for label, runs in by_label.items()}
