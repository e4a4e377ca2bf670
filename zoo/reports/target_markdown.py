"""Write what each model takes to the target losses as a section of the Markdown document."""

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.crossings import Measure
from zoo.experiments.judge.target import Reach
from zoo.experiments.judge.verdict import format_chance
from zoo.reports.markup import escape, write_table
from zoo.reports.target_facts import (
    NAMES,
    describe_profile,
    describe_ratios,
    describe_reach,
    flops_sign,
    format_interval,
    format_loss,
    format_median,
    format_ratio,
    format_reached,
    has_verdicts,
    judged_ratios,
)


def write_targets(comparison: Comparison) -> list[str]:
    """Write the parts of the section without its figures; none without target losses."""
    targets = comparison.targets
    if targets is None:
        return []
    several, verdicts, ratios = len(targets.losses) > 1, has_verdicts(targets), judged_ratios(targets)
    columns = {
        "model": [escape(reach.label) for reach in targets.reach],
        "loss": [format_loss(reach.target) for reach in targets.reach],
        "reached": [format_reached(reach) for reach in targets.reach],
        **{name: [_amount(comparison, reach, measure) for reach in targets.reach] for measure, name in NAMES.items()},
    }
    pairs = {
        "pair": [f"{escape(ratio.a)} / {escape(ratio.b)}" for ratio in ratios],
        "loss": [format_loss(ratio.target) if several else "" for ratio in ratios],
        "of": [NAMES[ratio.measure] for ratio in ratios],
        "ratio": [format_ratio(ratio) for ratio in ratios],
        "interval": [format_interval(ratio.ratio, ratio=True) for ratio in ratios],
        "first": [f"{ratio.first}/{ratio.known}" for ratio in ratios],
        "p": [escape(format_chance(ratio.p)) if verdicts else "" for ratio in ratios],
        "verdict": [ratio.verdict if verdicts else "" for ratio in ratios],
    }
    return [
        "## Time to a loss",
        write_table(columns, left=("model", "reached")),
        escape(" ".join(describe_reach(comparison))),
        *([write_table(pairs, left=("pair", "of", "verdict"))] if ratios else []),
        escape(" ".join(describe_ratios(comparison))),
        escape(describe_profile(comparison)),
    ]


def _amount(comparison: Comparison, reach: Reach, measure: Measure) -> str:
    found = getattr(reach, measure)
    interval = format_interval(found)
    sign = flops_sign(comparison, reach.label) if measure == "flops" else ""
    return escape(format_median(found, sign) + (f" ({interval})" if interval else ""))
