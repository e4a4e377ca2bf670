"""Write the search of a comparison as a section of the Markdown document."""

from collections.abc import Mapping

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.notes import STATUSES
from zoo.experiments.judge.tuned import Tuned
from zoo.reports.markup import escape, write_table
from zoo.reports.numbers import loss, short
from zoo.reports.search_facts import (
    describe_shares,
    describe_worth,
    format_settings,
    format_share,
    format_value,
    worth_words,
)


def write_search(comparison: Comparison) -> list[str]:
    """Write the parts of the section without its figures; none without a search."""
    models = comparison.tuned
    if not models:
        return []
    counts: Mapping[str, list[int]] = {
        "trials": [len(tuned.trials) for tuned in models],
        **{status: [tuned.count(status) for tuned in models] for status in STATUSES},
    }
    columns = {
        "model": [escape(tuned.label) for tuned in models],
        **{name: [f"{count:,}" for count in own] for name, own in counts.items() if any(own)},
        "steps": [f"{tuned.steps:,.0f}" for tuned in models],
        "seconds": [f"{tuned.seconds:,.1f}" for tuned in models],
        "FLOPs": ["" if tuned.flops is None else short(tuned.flops) for tuned in models],
        "best settings": [escape(format_settings(tuned.chosen)) for tuned in models],
        "worth": [_worth(tuned) for tuned in models],
    }
    rows = [(tuned, name) for tuned in models for name in tuned.space]
    settings = {
        "model": [escape(tuned.label) for tuned, _ in rows],
        "setting": [escape(name) for _, name in rows],
        "space": [escape(tuned.space[name]) for tuned, name in rows],
        "best": [
            escape(format_value(tuned.chosen[name])) + (" (edge)" if name in tuned.edges else "")
            for tuned, name in rows
        ],
        "as written": [escape(format_value(tuned.written[name])) if tuned.written else "" for tuned, name in rows],
        "share": [format_share(tuned, name) for tuned, name in rows],
    }
    left = ("model", "setting", "space", "best settings")
    return [
        "## Search",
        write_table(columns, left=left),
        f"{escape(describe_worth(comparison))} Nats per token.",
        write_table(settings, left=left),
        escape(describe_shares(comparison)),
    ]


def _worth(tuned: Tuned) -> str:
    worth = tuned.worth
    if worth is None or worth.low is None:
        return worth_words(tuned) if worth is None else loss(worth.difference, signed=True)
    interval = f"{loss(worth.low, signed=True)} to {loss(worth.high, signed=True)}"
    return f"{loss(worth.difference, signed=True)} ({interval})"
