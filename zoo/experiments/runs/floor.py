"""A loss below that of a perfect model: a sign that a model has seen what it is scored on.

Documents that come with their exact probabilities p allow a test without any approximation. Whatever a model q has
learned from other documents, the ratio q/p of the probabilities of all documents of a split is 1 in the mean. So the
chance that a model beats the perfect one by a nats in all is at most e^-a (Markov's inequality; Ville 1939).
"""

import math
from collections.abc import Mapping

from zoo.training.evaluation import Score

CHANCE = 1e-9
"""Below this a loss under the floor is no luck. Evaluations of a study are many: validation chooses among them."""


def find_impossible_score(scores: Mapping[str, Score], floors: Mapping[str, float | None]) -> str | None:
    """The first score that no honest model has, in a sentence; None where there is none, or no floor.

    Args:
        scores: by split.
        floors: nats a token of a perfect model on the very same split.
    """
    for split, score in scores.items():
        floor = floors.get(split)
        if split == "train" or floor is None:
            continue
        ahead = (floor - score.loss) * float(score.tokens.sum())
        if ahead > -math.log(CHANCE):
            return (
                f"Its loss on {split} is {score.loss:.4f}, and that of a perfect model {floor:.4f}: it beats it by "
                f"{ahead:,.0f} nats in all, which has a chance below e^-{ahead:,.0f} unless it has seen what it is "
                "scored on."
            )
    return None
