"""Detect losses below that of a perfect model, which show that a model has seen the documents that score it.

The test is exact for documents with known probabilities p. For any model q trained on other documents, the ratio q/p of
the probabilities of all documents of a split has mean 1. So the chance of beating the perfect model by `a` nats in
total is at most e^-a (Markov's inequality; Ville 1939).
"""

import math
from collections.abc import Mapping

from zoo.training.evaluation import Score

CHANCE = 1e-9
"""Probability below which a loss under the floor is not luck; small, because a study makes many evaluations."""


def find_impossible_score(scores: Mapping[str, Score], floors: Mapping[str, float | None]) -> str | None:
    """Describe the first score that no honest model can have; None if there is none, or no floor.

    Args:
        scores: split -> score.
        floors: split -> nats per token of a perfect model on the same documents.
    """
    for split, score in scores.items():
        floor = floors.get(split)
        if split == "train" or floor is None:
            continue
        ahead = (floor - score.loss) * float(score.tokens.sum())
        if ahead > -math.log(CHANCE):
            return (
                f"Its loss on {split} is {score.loss:.4f}, but that of a perfect model is {floor:.4f}: {ahead:,.0f} "
                f"nats better in total, which has a probability below e^-{ahead:,.0f} unless it has seen what it is "
                "scored on."
            )
    return None
