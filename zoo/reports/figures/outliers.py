"""Models so far behind that they would flatten the others: the axes of all figures leave them out."""

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow

SQUEEZED = 0.4
"""Models are left out where without them the others fill less than this share of the whole range."""


def find_outliers(comparison: Comparison) -> list[ModelRow]:
    """The models that the axes leave out and name at the edge; a quarter of all at most."""
    ranked = [model for model in comparison.models if model.test]
    means = [model.test.mean for model in ranked if model.test]
    for count in range(1, len(means) // 4 + 1):
        if means[-1 - count] - means[0] < SQUEEZED * (means[-1] - means[0]):
            return ranked[-count:]
    return []
