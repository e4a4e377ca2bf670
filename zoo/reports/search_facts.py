"""Words for the search of a comparison: its budget, trials and settings, and what it was worth."""

from collections.abc import Mapping

from zoo.calls import Value
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.tuned import Tuned
from zoo.reports.numbers import half_width, loss, short

SAMPLERS = {
    "tpe": "TPE (Bergstra et al. 2011) of Optuna, which learns from the trials before",
    "qmc": "a scrambled Sobol sequence of Optuna, which covers the space evenly",
    "grid": "a grid, point by point",
}
"""Sampler -> what suggested the settings."""


def format_value(value: Value) -> str:
    """Format the value of a setting: 0.0859, true, cosine."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def format_settings(chosen: Mapping[str, Value]) -> str:
    """Format settings as the command line takes them: lr=0.0859 warmup=0.292."""
    return " ".join(f"{name}={format_value(value)}" for name, value in chosen.items())


def count_trials(tuned: Tuned) -> str:
    """Count the trials of a model, and those that did not finish: 8, 3 pruned."""
    ended = ((status, tuned.count(status)) for status in ("pruned", "diverged", "refused", "failed"))
    return ", ".join([f"{len(tuned.trials):,}", *(f"{count:,} {status}" for status, count in ended if count)])


def format_spent(tuned: Tuned) -> str:
    """Format the training that all trials took: 99G FLOPs; steps and seconds where FLOPs were not counted."""
    if tuned.flops is not None:
        return f"{short(tuned.flops)} FLOPs"
    return f"{tuned.steps:,.0f} steps, {tuned.seconds:,.1f} s"


def format_worth(tuned: Tuned, unit: float = 1.0) -> str:
    """Format the difference to the model as written: −0.1205 ± 0.0502; "unchanged" if it was the best."""
    if tuned.worth is None:
        return "unchanged" if tuned.unchanged else "no mean"
    reach = half_width(tuned.worth)
    beside = "" if reach is None else f" ± {loss(reach / unit)}"
    return loss(tuned.worth.difference / unit, signed=True) + beside


def describe_budget(comparison: Comparison) -> str:
    """Say what every model got: 8 trials of each model."""
    search = comparison.study.search
    if search.flops is not None:
        return f"trials of {short(search.flops)} training FLOPs of each model"
    counts = {len(tuned.trials) for tuned in comparison.tuned}
    if len(counts) > 1:  # grids of different spaces
        return f"{min(counts):,} to {max(counts):,} trials of each model"
    (count,) = counts
    return f"{count:,} trial{'s' * (count != 1)} of each model"
