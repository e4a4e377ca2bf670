"""Find models so far behind that the axes of figures leave them out."""

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow

SQUEEZED = 0.4
"""Models are left out if the others fill less than this share of the whole range of means."""


def find_outliers(comparison: Comparison) -> list[ModelRow]:
    """The models that the axes leave out and name at the edge: at most a quarter of all, and none on a task.

    The axes of a task show all its lines, and so have room for every model.
    """
    if comparison.data.task:
        return []
    ranked = [model for model in comparison.models if model.test]
    means = [model.test.mean for model in ranked if model.test]
    for count in range(1, len(means) // 4 + 1):
        if means[-1 - count] - means[0] < SQUEEZED * (means[-1] - means[0]):
            return ranked[-count:]
    return []
