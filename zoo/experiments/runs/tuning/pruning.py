"""Median pruning: the losses above which a trial ends early."""

from collections.abc import Sequence
from statistics import median

from zoo.experiments.records.run import Run

FEWEST = 4
"""Finished trials before any is pruned."""


def limits_after(runs: Sequence[Run]) -> tuple[float | None, ...]:
    """Return the limits for a trial after these, of which several may share a run."""
    finished = {run.directory: run for run in runs if run.result.status == "finished"}
    return prune_limits([[point.validation_loss for point in run.curve] for run in finished.values()])


def prune_limits(curves: Sequence[Sequence[float]]) -> tuple[float | None, ...]:
    """Return, for each evaluation, the median of the validation losses of finished trials; () with fewer than `FEWEST`.

    A trial whose best loss so far is above it is pruned, as by Optuna's MedianPruner (Golovin et al. 2017, section
    3.2.2). None in the first half of the evaluations, where high learning rates look worse than they end, and at the
    last one, where there is nothing left to save.

    Args:
        curves: losses of the finished trials at every evaluation, that of the untrained model first.
    """
    if len(curves) < FEWEST:
        return ()
    points = min(map(len, curves))
    return tuple(
        median(curve[index] for curve in curves) if points / 2 <= index < points - 1 else None
        for index in range(points)
    )
