"""Words and numbers for what each model takes to the target losses of a comparison."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from zoo.experiments.judge.censored import Typical
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.crossings import Measure
from zoo.experiments.judge.ratios import Ratio
from zoo.experiments.judge.target import Reach, Targets
from zoo.reports.numbers import short

NAMES: dict[Measure, str] = {"steps": "steps", "tokens": "tokens", "flops": "FLOPs", "seconds": "seconds"}
"""Measure -> its name, in the order of tables: seconds, which nobody can verify, are last."""
JUDGED: tuple[Measure, ...] = ("tokens", "flops", "seconds")
"""Measures whose ratios a table shows; under one seed all models draw the same batches, so tokens stand for steps."""


def format_loss(loss: float, unit: float = 1.0) -> str:
    """Format a target loss as it was given: 1.993; in another unit with four decimals."""
    return f"{loss:g}" if unit == 1.0 else f"{loss / unit:.4f}"


def switched_loss(loss: float) -> Markup:
    """Format a target loss for the page, as it was given in nats, and in bits."""
    nats, bits = (format_loss(loss, unit) for unit in (1.0, math.log(2)))
    return Markup('<span class="nats">{}</span><span class="bits">{}</span>').format(nats, bits)


def sort_value(found: Typical | None) -> float | str:
    """Return the number by which the page sorts a median; infinite ones are last."""
    return "" if found is None else 1e300 if found.at_least is None else found.at_least


def format_median(found: Typical | None, sign: str = "", *, ratio: bool = False) -> str:
    """Format a median: 1.2M; > 1.2M if it is known only to be longer; never; "" without one.

    Args:
        sign: "≥ " or "≈ " before a number of FLOPs.
    """
    if found is None:
        return ""
    if found.at_least is None:
        return "∞" if ratio else "never"
    low = _write(found.at_least, ratio)
    if found.at_most is None:
        return f"> {low}"
    if found.at_most == found.at_least:
        return sign + low
    high = _write(found.at_most, ratio)
    return f"< {high}" if not found.at_least else f"{low} to {high}"


def format_interval(found: Typical | None, *, ratio: bool = False) -> str:
    """Format an interval or range: 0.9M to 1.2M; "" where both ends are the median."""
    if found is None or (found.coverage is None and found.low == found.high):
        return ""
    return f"{_write(found.low, ratio)} to {_write(found.high, ratio)}"


def _write(value: float | None, ratio: bool) -> str:
    if value is None:
        return "∞"
    return f"{value:.2f}" if ratio and 0.095 <= value < 99.5 else short(value)


def format_ratio(ratio: Ratio) -> str:
    """Format the median of a ratio; "unknown" where it is known under no seed which model got there first."""
    return format_median(ratio.ratio, ratio=True) or "unknown"


def flops_sign(comparison: Comparison, label: str) -> str:
    """Return what stands before the FLOPs of a model: "≥ " if some are uncounted, "≈ " if they are approximate."""
    used = next(row.used for row in comparison.models if row.label == label)
    return "≥ " if used.flops_uncounted else "≈ " if used.flops_fitted else ""


def format_reached(reach: Reach) -> str:
    """Format how many runs got there: 5/6; of a model without numbers, the reason."""
    return reach.missing.replace(" of ", "/") if reach.missing else f"{reach.reached}/{reach.runs}"


def has_verdicts(targets: Targets) -> bool:
    """Whether pairs have verdicts."""
    return any(ratio.verdict != "none" for ratio in targets.ratios)


def judged_ratios(targets: Targets) -> list[Ratio]:
    """Return the ratios that a table shows: in the measures `JUDGED`, of pairs and losses where any is known."""
    judged = [ratio for ratio in targets.ratios if ratio.measure in JUDGED]
    known = {(ratio.target, ratio.a, ratio.b) for ratio in judged if ratio.ratio}
    return [ratio for ratio in judged if (ratio.target, ratio.a, ratio.b) in known]


def describe_reach(comparison: Comparison) -> list[str]:
    """Explain the amounts, in sentences."""
    targets = comparison.targets
    assert targets
    typical = [found for row in targets.reach if (found := row.tokens)]
    lines = [
        "To the first crossing of the loss on validation, on a straight line between the evaluation above it and the "
        f"next, alike for all; {_over(comparison, typical)}."
    ]
    if any(crossing.ended != "reached" for crossing in targets.crossings):
        lines.append(
            "A run that ends above the loss counts as longer than it was trained (>, ∞), and a diverged one as never."
        )
    if comparison.study.training.schedule != "constant":
        lines.append("The learning rate's schedule follows the budget: with another budget these numbers are others.")
    lines.append("Seconds are those of this machine, and verify does not check them.")
    return lines


def describe_ratios(comparison: Comparison) -> list[str]:
    """Explain the ratios of pairs and their verdicts, in sentences."""
    targets = comparison.targets
    if targets is None or not judged_ratios(targets):
        return []
    runs = "runs" if comparison.study.splits > 1 else "seeds"
    beside = _beside([ratio.ratio for ratio in judged_ratios(targets) if ratio.ratio])
    lines = [
        f"Ratio: what the first model takes over what the second takes under the same seed; median{beside}; over the "
        f"{runs} where it is known which got there first: the other did later, or was trained as far in vain. First: "
        "in how many of these the first one did."
    ]
    if targets.withheld:
        return [*lines, f"No verdict on ratios: {targets.withheld}."]
    if not has_verdicts(targets):
        fewest, own = targets.fewest_seeds, len(comparison.study.seeds)
        count = f"{own} seed{'s' * (own != 1)}"
        return [*lines, f"No verdict on ratios: {count}, and it takes {fewest} (--seeds {fewest})."]
    family = len({(ratio.target, ratio.a, ratio.b) for ratio in targets.ratios})
    losses = " and losses" if len(targets.losses) > 1 else ""
    allowed = f", adjusted for all {family} pairs{losses} of one measure (Holm)" if family > 1 else ""
    return [*lines, f"p: exact sign test{allowed}, not for looking at several measures."]


def describe_profile(comparison: Comparison) -> str:
    """Explain the performance profiles, in a sentence; "" if there are none."""
    targets = comparison.targets
    if targets is None or not targets.profiles:
        return ""
    each = "seed and split" if comparison.study.splits > 1 else "seed"
    return (
        f"Share of the {targets.profiles[0].problems} problems (a loss under one {each}) that a model solves within a "
        "factor of the best (Dolan and More 2002); one that no model solves counts for all."
    )


def _over(comparison: Comparison, typical: Sequence[Typical]) -> str:
    """Say over what the medians are taken, and what stands beside them."""
    seeds, splits = len(comparison.study.seeds), comparison.study.splits
    if seeds * splits == 1:
        return "one seed"
    runs = f"{seeds} seeds" + (f" on {splits} splits" if splits > 1 else "")
    return f"median over {runs}{_beside(typical)}"


def _beside(typical: Sequence[Typical]) -> str:
    """Say what stands beside medians: their intervals, or the range of the values."""
    coverages = sorted({found.coverage for found in typical if found.coverage is not None})
    parts = []
    if coverages:
        ends = f"{100 * coverages[0]:.1f}"
        parts.append(f"its exact {ends}{f' to {100 * coverages[-1]:.1f}' if len(coverages) > 1 else ''}% interval")
    if any(found.coverage is None and not _is_one(found) for found in typical):
        parts.append("the range of fewer than six" if coverages else "the range")
    return f", with {', or '.join(parts)}" if parts else ""


def _is_one(found: Typical) -> bool:
    return found.low == found.high or (found.low is not None and math.isclose(found.low, found.high or math.inf))
