"""Describe budget, size, and the weaknesses of a verdict: missed sizes and budgets, settings at the edge."""

from collections.abc import Sequence

from zoo.config import TrainingConfig
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.study.config import Match, StudyConfig

NOTABLE_DEVIATION = 0.02
"""Relative deviation from a size or budget above which it is reported."""
NAMED = 3
"""Most models at the edge of the grid that are named; more are only counted."""


def describe_budget(training: TrainingConfig) -> str:
    """The budget of every run in words: 2,000 steps."""
    words = {
        "tokens": f"{training.tokens or 0:,} target tokens",
        "seconds": f"{training.seconds or 0:,g} s of training",
        "flops": f"{training.flops or 0:g} FLOPs of training",
    }
    return words.get(training.budget or "steps", f"{training.steps or 0:,} steps")


def describe_target(match: Match) -> str:
    """The size that models are scaled to in words: 20,000 parameters."""
    return f"{match.target:,.0f} {'parameters' if match.kind == 'parameters' else 'FLOPs a token'}"


def describe_weaknesses(models: Sequence[ModelRow], study: StudyConfig, tuned: Sequence[Tuned] = ()) -> list[str]:
    """At most one sentence: missed sizes and budgets, and settings at an edge of the search; models best first."""
    found = []
    worst = max(models, key=lambda model: abs(model.off_size or 0))
    if study.match and abs(worst.off_size or 0) > NOTABLE_DEVIATION:
        found.append(
            f"sizes miss {describe_target(study.match)} by up to {abs(worst.off_size or 0):.0%} ({worst.label})"
        )
    worst = max(models, key=lambda model: abs(model.off_budget))
    if abs(worst.off_budget) > NOTABLE_DEVIATION:
        found.append(f"budgets are missed by up to {abs(worst.off_budget):.0%} ({worst.label})")
    if edge := [model.label for model in models if model.lr_at_edge]:
        found.append(f"the best learning rate lies at the edge of the grid for {_name(edge, models)}")
    ranked = {model.label for model in models}
    if edge := [own.label for own in tuned if own.label in ranked and own.edges and own.count("finished")]:
        found.append(f"the best settings lie at the edge of the searched space for {_name(edge, models)}")
    return [f"But {', and '.join(found)}."] if found else []


def _name(edge: Sequence[str], models: Sequence[ModelRow]) -> str:
    return ", ".join(edge) if len(edge) <= NAMED else f"{len(edge)} of {len(models)} models"
