"""Unigram: how often each token occurs, whatever came before it. Counted, not trained.

One token more than there are is spread evenly over the vocabulary (Perks 1947), the least that gives a token that never
occurs a probability:

    p(w) = (count(w) + 1/V) / (n + 1)

    (B, T) -> (B, T, V)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.models.counting import count_ngrams
from zoo.models.interpolated import Discounted, InterpolatedNGrams


class Unigram(InterpolatedNGrams):
    """How often each token occurs."""

    paper = "Shannon 1948, A Mathematical Theory of Communication, section 3; smoothing: Perks 1947"

    @property
    def receptive_field(self) -> int:
        return 0

    def fit_counts(self, train: NDArray[Any], validation: NDArray[Any]) -> str:
        """Count the tokens of the training split."""
        (level,) = count_ngrams(train, self.vocab_size, 1)
        total = level.counts.sum()
        self.store([level], [Discounted(level.counts / (total + 1), np.array([1 / (total + 1)]))])
        return "every token"
