"""Bigram of counts: how often each token follows each other one. Counted, not trained.

Pairs are interpolated with single tokens by Witten and Bell's rule: a token that had many different followers is likely
to get another new one. With c the counts and f(v) the number of different followers of v,

    p(w | v) = (c(v, w) + f(v) p(w)) / (c(v) + f(v))        p(w): the model `unigram`

    (B, T) -> (B, T, V)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.models.counting import count_ngrams
from zoo.models.interpolated import Discounted, InterpolatedNGrams


class BigramCounts(InterpolatedNGrams):
    """How often each token follows each other one."""

    paper = "Witten and Bell 1991, The Zero-Frequency Problem, method C"

    @property
    def receptive_field(self) -> int:
        return 1

    def fit_counts(self, train: NDArray[Any], validation: NDArray[Any]) -> str:
        """Count the pairs of the training split."""
        single, pairs = count_ngrams(train, self.vocab_size, 2)
        n, context = single.counts.sum(), pairs.grams // self.vocab_size
        different = np.bincount(context)
        total = np.bincount(context, pairs.counts) + different
        self.store(
            [single, pairs],
            [
                Discounted(single.counts / (n + 1), np.array([1 / (n + 1)])),
                Discounted(pairs.counts / total[context], different / total),
            ],
        )
        return "pairs"
