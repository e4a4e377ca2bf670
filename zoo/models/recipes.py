"""Choose the recipe of a run: for its optimizer, and for the budget nearest to its own."""

import math
from collections.abc import Sequence

from zoo.calls import parse_call
from zoo.config import Recipe
from zoo.models.interface import SequenceModel

FORMER = {
    "bigram": Recipe(lr=1.5e-2, weight_decay=0.013, warmup=0.13),
    "bow": Recipe(lr=1e-2, weight_decay=0.053, warmup=0.14),
    "mlp": Recipe(lr=5e-3, weight_decay=0.16, warmup=0.14),
    "wavenet": Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.1),
    "dilated-wavenet": Recipe(lr=1.2e-2, weight_decay=0.12, warmup=0.02),
    "rnn": Recipe(lr=5e-3, weight_decay=0.053, warmup=0.14),
    "gru": Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.1),
    "lstm": Recipe(lr=2.1e-2, weight_decay=0.14, warmup=0.1),
    "transformer": Recipe(lr=5e-3, weight_decay=0.16, warmup=0.14),
}
"""The recipes of built-in models when records did not hold them yet."""


def list_recipes(model: type[SequenceModel] | SequenceModel) -> tuple[Recipe, ...]:
    """Return all recipes of a model; of two for one budget the first has the optimizer that a run takes."""
    return (model.recipe, *model.other_recipes)


def choose_recipe(recipes: Sequence[Recipe], *, optimizer: str | None, targets: float | None) -> Recipe:
    """Return the recipe for the nearest budget, in logarithms; the first of those that are equally near.

    Args:
        recipes: at least one, as `list_recipes` returns them.
        optimizer: as a user writes it; only recipes for it are considered, or those for AdamW if there is none. None:
            all are.
        targets: budget in target tokens. Without one, or where a recipe names none, the first recipe is returned.
    """
    suited = _written_for(optimizer, recipes) or _written_for("adamw", recipes) or recipes
    if targets is None or any(recipe.targets is None for recipe in suited):
        return suited[0]
    return min(suited, key=lambda recipe: abs(math.log((recipe.targets or 1) / targets)))


def _written_for(optimizer: str | None, recipes: Sequence[Recipe]) -> Sequence[Recipe]:
    if optimizer is None:
        return recipes
    return [recipe for recipe in recipes if parse_call(recipe.optimizer).name == parse_call(optimizer).name]
