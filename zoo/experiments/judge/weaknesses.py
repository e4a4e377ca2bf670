"""Describe budget, size, and the weaknesses of a verdict: missed sizes and budgets, settings at the edge."""

from collections.abc import Sequence

from zoo.config import TrainingConfig
from zoo.experiments.judge.rows import ModelRow, PairRow
from zoo.experiments.judge.tuned import Tuned
from zoo.experiments.judge.verdict import join
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


def describe_losses_to_counting(models: Sequence[ModelRow], pairs: Sequence[PairRow], unit: float) -> list[str]:
    """At most one sentence: the trained models than which the best model of counts is better; models best first."""
    counted = next((model.label for model in models if model.counted is not None), None)
    trained = {model.label for model in models if model.counted is None}
    lost = [pair for pair in pairs if pair.a == counted and pair.b in trained and pair.verdict == "better"]
    if not lost:
        return []
    by = [f"{abs(pair.difference) / unit:.4f}" for pair in lost]
    if len(lost) > NAMED:
        who, much = f"{len(lost)} of {len(trained)} trained models lose", f"{by[0]} to {by[-1]}"
    else:
        who = f"{join([pair.b for pair in lost])} {'lose' if len(lost) > 1 else 'loses'}"
        much = join(by)
    return [f"{who} to counting: {counted} is better by {much}."]


def _name(edge: Sequence[str], models: Sequence[ModelRow]) -> str:
    return ", ".join(edge) if len(edge) <= NAMED else f"{len(edge)} of {len(models)} models"
