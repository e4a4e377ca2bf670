"""Words for the search of a comparison: its budget, trials and settings, and what it was worth."""

from collections.abc import Mapping

from zoo.calls import Value
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import STATUSES
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
    ended = ((status, tuned.count(status)) for status in STATUSES)
    return ", ".join([f"{len(tuned.trials):,}", *(f"{count:,} {status}" for status, count in ended if count)])


def format_spent(tuned: Tuned) -> str:
    """Format the training that all trials took: 99G FLOPs; steps and seconds where FLOPs were not counted."""
    if tuned.flops is not None:
        return f"{short(tuned.flops)} FLOPs"
    return f"{tuned.steps:,.0f} steps, {tuned.seconds:,.1f} s"


def format_worth(tuned: Tuned, unit: float = 1.0) -> str:
    """Format the difference to the model as written: −0.1205 ± 0.0502; "unchanged" if it was the best."""
    if tuned.worth is None:
        return worth_words(tuned)
    reach = half_width(tuned.worth)
    beside = "" if reach is None else f" ± {loss(reach / unit)}"
    return loss(tuned.worth.difference / unit, signed=True) + beside


def worth_words(tuned: Tuned) -> str:
    """Words in place of a difference to the model as written."""
    return "unchanged" if tuned.unchanged else "no mean"


def format_share(tuned: Tuned, name: str) -> str:
    """Format the share of the variance of the loss that a setting explains: 60%; "" where it was not measured."""
    share = tuned.importances.get(name)
    return "" if share is None else f"{share:.0%}"


def describe_worth(comparison: Comparison) -> str:
    """Explain the columns of the trials and of their worth."""
    pruned = ", pruned ones too" if any(tuned.count("pruned") for tuned in comparison.tuned) else ""
    words = [f"Steps, seconds, FLOPs: training of all trials{pruned}."]
    found = [tuned.worth for tuned in comparison.tuned if tuned.worth]
    if found:
        reach = ", with its interval" if any(worth.low is not None for worth in found) else ""
        words.append(
            "Worth: test loss minus that of the model as written under the same seeds, below zero if tuning helped"
            f"{reach}."
        )
    words += [
        f"{tuned.label} has no interval: {tuned.worth.withheld}."
        for tuned in comparison.tuned
        if tuned.worth and tuned.worth.withheld
    ]
    if any(tuned.unchanged for tuned in comparison.tuned):
        words.append("Unchanged: no trial was better than the settings as written, which are reported.")
    return " ".join(words)


def describe_budget(comparison: Comparison) -> str:
    """Say what every model got: 8 trials of each model."""
    search = comparison.study.search
    if search.flops is not None:
        return f"trials of each model within {short(search.flops)} training FLOPs"
    counts = {len(tuned.trials) for tuned in comparison.tuned}
    if len(counts) > 1:  # grids of different spaces
        return f"{min(counts):,} to {max(counts):,} trials of each model"
    (count,) = counts
    return f"{count:,} trial{'s' * (count != 1)} of each model"


def describe_found(comparison: Comparison) -> str:
    """Say how settings were searched, in a line: 8 trials of each model over lr, hidden; sampler tpe, pruned."""
    search = comparison.study.search
    names = ", ".join(dict.fromkeys(name for tuned in comparison.tuned for name in tuned.space))
    return f"{describe_budget(comparison)}, over {names}; sampler {search.sampler}{', pruned' if search.prune else ''}"


def describe_shares(comparison: Comparison) -> str:
    """Explain the importances: their method, and the number of trials behind them; "" if there are none."""
    counts = {tuned.label: tuned.count("finished") for tuned in comparison.tuned if tuned.importances}
    if not counts:
        return ""
    of = " and ".join(f"{count:,}" for count in sorted(set(counts.values())))
    if len(set(counts.values())) > 1:
        of = ", ".join(f"{count:,} ({label})" for label, count in counts.items())
    return (
        "Share: of the variance of the validation loss over the space, of a setting alone, by fANOVA "
        f"(Hutter et al. 2014), of {of} finished trials."
    )
