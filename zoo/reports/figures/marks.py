"""What all figures agree on: which colour a model has, and which are so far behind that they would flatten the rest."""

from zoo.experiments.judge.comparison import Comparison, ModelRow
from zoo.reports.figures.palette import MODELS_LIGHT

NEAR = 0.4
"""The share of the whole range that the others fill, where some models are left out."""


def class_of(comparison: Comparison, label: str) -> str:
    """Its place in the study, so that a new result does not change its colour; after twelve they come again, dashed."""
    labels = [contestant.label for contestant in comparison.study.models]
    labels += [model.label for model in comparison.models if model.label not in labels]
    place = labels.index(label)
    return f"m{place % len(MODELS_LIGHT)}{' again' if place >= len(MODELS_LIGHT) else ''}"


def beyond(comparison: Comparison) -> list[ModelRow]:
    """Models behind the others by so much that the axes leave them out and name them at the edge; a quarter at most."""
    ranked = [model for model in comparison.models if model.test]
    means = [model.test.mean for model in ranked if model.test]
    for count in range(1, len(means) // 4 + 1):
        if means[-1 - count] - means[0] < NEAR * (means[-1] - means[0]):
            return ranked[-count:]
    return []
