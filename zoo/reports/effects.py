"""The effects of an ablation as tables, for a terminal and for Markdown."""

from collections.abc import Sequence

from rich.console import Console

from zoo.experiments.judge.ablation import Ablated, Effect, Interaction
from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.effects import TOGETHER, effect_words
from zoo.experiments.judge.verdict import format_chance, percent
from zoo.reports import numbers
from zoo.reports.folded import print_folded, wrap
from zoo.reports.markup import escape, write_table

LEFT = ("change", "changes", "verdict")


def print_effects(ablated: Ablated, unit: float, console: Console) -> None:
    """Print effects and interactions, with a legend."""
    print_folded(
        ["change", "effect", "interval", "verdict", "params", "FLOPs"],
        [_effect_cells(effect, unit) for effect in ablated.effects],
        console,
        left=LEFT,
    )
    if ablated.interactions:
        console.print()
        print_folded(
            ["changes", "together", "sum", "difference", "interval", "verdict"],
            [_interaction_cells(own, unit, TOGETHER_SHORT) for own in ablated.interactions],
            console,
            left=LEFT,
        )
    console.print(wrap(describe_effects(ablated)), style="dim", highlight=False, markup=False)


TOGETHER_MEANS = (
    "Where each change alone makes it worse: together less than the sum means that the pieces work together (without "
    "one the other does less), more that they make up for each other."
)
TOGETHER_SHORT = {"more": "more", "less": "less", "undecided": "cannot tell", "none": "no verdict"}
SHORT = {"cannot be told apart": "cannot tell", "equal within the margin": "equal"}


def _effect_cells(effect: Effect, unit: float) -> list[str]:
    pair, words = effect.pair, effect_words(effect)
    return [
        effect.label,
        f"{pair.difference / unit:+.4f}" if pair else "",
        _interval(*pair.interval, unit=unit) if pair else "",
        SHORT.get(words.partition(" (")[0], words),
        _off(effect.parameters_off),
        "" if effect.flops_off is None else _off(effect.flops_off),
    ]


def _interaction_cells(own: Interaction, unit: float, verdicts: dict[str, str]) -> list[str]:
    return [
        own.label,
        f"{own.together / unit:+.4f}",
        f"{own.apart / unit:+.4f}",
        f"{own.difference / unit:+.4f}",
        _interval(own.low, own.high, unit=unit),
        verdicts[own.verdict],
    ]


def _interval(low: float | None, high: float | None, *, unit: float = 1.0) -> str:
    return "" if low is None or high is None else f"{low / unit:+.4f} to {high / unit:+.4f}"


def _off(share: float) -> str:
    """A relative change: +12%, or +0.4%; = for none."""
    return "=" if abs(share) < 5e-4 else f"{share:+.1%}" if abs(share) < 0.0095 else f"{share:+.0%}"


def describe_effects(ablated: Ablated) -> list[str]:
    """Explain the columns of both tables."""
    level = percent(ablated.level)
    interval = (
        f"; interval: {level}, for all effects{' and interactions' if ablated.interactions else ''} together "
        f"({ablated.method})"
    )
    if ablated.method == "none":
        interval = ""
    lines = [
        f"effect: test loss with the change minus that of {ablated.baseline}{interval}"
        "; params, FLOPs of training a token: against the model"
    ]
    if ablated.interactions:
        lines.append(f"together: effect of both changes; sum: of each alone. {TOGETHER_MEANS}")
    return lines


def write_effects(comparison: Comparison) -> list[str]:
    """Write the effects and interactions in Markdown; empty for other comparisons."""
    ablated = comparison.ablation
    if ablated is None:
        return []
    effects = ablated.effects
    pairs = [effect.pair for effect in effects]
    level = percent(ablated.level)
    parts = [
        "## Effects",
        write_table(
            {
                "change": [escape(effect.label) for effect in effects],
                "effect": [numbers.loss(pair.difference, signed=True) if pair else "" for pair in pairs],
                f"{level} interval": [numbers.write_interval(pair) if pair else "" for pair in pairs],
                "p": [escape(format_chance(pair.p)) if pair else "" for pair in pairs],
                "verdict": [effect_words(effect) for effect in effects],
                "parameters": [f"{own.parameters:,} ({numbers.percent(own.parameters_off)})" for own in effects],
                "FLOPs a token": [_write_flops(own) for own in effects],
            },
            left=LEFT,
        ),
    ]
    if ablated.interactions:
        parts += [_write_interactions(ablated.interactions, level)]
    return [*parts, " ".join(f"{line[:1].upper()}{line[1:].rstrip('.')}." for line in describe_effects(ablated))]


def _write_flops(effect: Effect) -> str:
    if effect.flops is None:
        return ""
    off = "" if effect.flops_off is None else f" ({numbers.percent(effect.flops_off)})"
    return f"{numbers.short(effect.flops)}{off}"


def _write_interactions(found: Sequence[Interaction], level: str) -> str:
    return write_table(
        {
            "changes": [escape(own.label) for own in found],
            "together": [numbers.loss(own.together, signed=True) for own in found],
            "sum of both": [numbers.loss(own.apart, signed=True) for own in found],
            "difference": [numbers.loss(own.difference, signed=True) for own in found],
            f"{level} interval": [_interval(own.low, own.high).replace("-", "−") for own in found],
            "p": [escape(format_chance(own.p)) for own in found],
            "verdict": [TOGETHER[own.verdict] for own in found],
        },
        left=LEFT,
    )
