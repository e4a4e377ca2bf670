"""Interpolated modified Kneser-Ney: n-grams of up to n tokens, the strongest model of counts. Counted, not trained.

    p(w | h) = (a(h, w) - D(a(h, w)) + d(h) p(w | h')) / a(h)

a(h) is the sum of a(h, w) over w, d(h) that of D(a(h, w)), and h' is h without its first token; below the empty context
p is 1/V. For the longest n-grams a is the count. For shorter ones, which matter where the longer context is new, it is
the number of different tokens that stand before the n-gram; at the start of a document, where none can, the count.

The discounts of 1, 2, and 3 or more are, for each length, with n_i n-grams that have a = i and Y = n_1 / (n_1 + 2 n_2)

    D_i = i - (i + 1) Y n_{i+1} / n_i        for i = 1, 2, 3

and 0.5, 1 and 1.5 (as in KenLM) where one of n_1 to n_4 is 0 or a D_i is not between 0 and i, as with few tokens.

    (B, T) -> (B, T, V)
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from zoo.models.counting import Integers, Level, count_continuations, count_ngrams, find, find_contexts
from zoo.models.interface import ModelOptions
from zoo.models.interpolated import Discounted, Floats, InterpolatedNGrams

TRIED = range(2, 9)
"""Orders among which validation chooses."""
USUAL_DISCOUNTS = np.array([0.5, 1.0, 1.5])


class KneserNey(InterpolatedNGrams):
    """n-grams of up to n tokens, interpolated by modified Kneser-Ney smoothing."""

    class Config(ModelOptions):
        order: int | None = Field(
            None, ge=1, le=16, description="tokens of the longest n-grams; by default 2 to 8, chosen on validation"
        )

    paper = "Chen and Goodman 1998, An Empirical Study of Smoothing Techniques, section 3"
    config: Config

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        if self.config.order is not None and self.config.order - 1 > context:
            raise ValueError(f"order={self.config.order} looks back {self.config.order - 1} tokens, context={context}")

    @property
    def receptive_field(self) -> int:
        return min(TRIED[-1] - 1, self.context) if self.config.order is None else self.config.order - 1

    def fit_counts(self, train: NDArray[Any], validation: NDArray[Any]) -> str:
        """Count the n-grams of the training split; without an order, take the one that is best on validation."""
        longest = self.receptive_field + 1
        levels = count_ngrams(train, self.vocab_size, longest)
        shorter = [
            discount(level, count_continuations(level, longer, self.vocab_size), self.vocab_size)
            for level, longer in pairwise(levels)
        ]
        tops = [discount(level, level.counts, self.vocab_size) for level in levels]
        order, how = self.config.order, "as given"
        if order is None:
            losses = score_orders(validation, levels, shorter, tops, self.vocab_size)
            order = min(TRIED[: longest - 1], key=lambda n: losses[n - 1])
            how = f"the best of 2 to {longest} on validation" if longest > 2 else f"which context={self.context} allows"
        self.store(levels[:order], [*shorter[: order - 1], tops[order - 1]])
        return f"order {order}, {how}"


def discount(level: Level, counts: Integers, vocab_size: int) -> Discounted:
    """Take the discount of 1, 2, or 3 and more from the counts (n-grams,)."""
    return Discounted.of(level, counts, find_discounts(counts)[np.minimum(counts, 3) - 1], vocab_size)


def find_discounts(counts: Integers) -> Floats:
    """(3,) discounts of n-grams that count 1, 2, and 3 or more times."""
    number = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    if not number.all():
        return USUAL_DISCOUNTS
    i, y = np.arange(1, 4), number[0] / (number[0] + 2 * number[1])
    found = i - (i + 1) * y * number[1:] / number[:-1]
    return found if ((found > 0) & (found <= i)).all() else USUAL_DISCOUNTS


def score_orders(
    tokens: NDArray[Any],
    levels: Sequence[Level],
    shorter: Sequence[Discounted],
    tops: Sequence[Discounted],
    vocab_size: int,
) -> list[float]:
    """Return the nats per token of the model of every order 1, 2, ..., on `tokens` as in `count_ngrams`.

    Args:
        shorter: shares of n-grams by the tokens before them, of all levels but the last.
        tops: shares of n-grams by their counts.
    """
    targets = tokens[1:].astype(np.int64)
    probability, losses = np.full(len(targets), 1 / vocab_size), list[float]()
    for depth, (place, context) in enumerate(find_contexts(tokens, vocab_size, levels)):
        gram, there = find(levels[depth].grams, context * vocab_size + targets[place])
        below = probability.copy()
        for parts, into in [(tops[depth], below), *([(shorter[depth], probability)] if depth < len(shorter) else [])]:
            into[place] = np.where(there, parts.shares[gram], 0.0) + parts.weights[context] * into[place]
        losses.append(float(-np.log(below).mean()))
    return losses
