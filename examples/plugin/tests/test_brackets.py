"""Test the corpus against its definition: the words it draws, and their probabilities."""

import math
import random
from collections import Counter
from itertools import product

import pytest
from brackets import PAIRS, load, log_likelihood, sample

BRACKETS = "".join(PAIRS) + "".join(PAIRS.values())


@pytest.mark.parametrize("text", ["", "(", ")", "(]", "([)]", "())", "(a)"])
def test_what_is_no_word_has_probability_zero(text: str) -> None:
    assert log_likelihood([text]) == [-math.inf]


def test_words_are_drawn_as_often_as_their_probability_says() -> None:
    draw = random.Random(0)
    drawn = Counter(sample(draw) for _ in range(50_000))
    short = ["".join(tokens) for length in (2, 4) for tokens in product(BRACKETS, repeat=length)]
    for word, nats in zip(short, log_likelihood(short), strict=True):
        share = math.exp(nats)
        assert abs(drawn[word] - 50_000 * share) <= 5 * math.sqrt(50_000 * share), word


def test_one_seed_gives_the_same_words_and_another_one_others() -> None:
    assert load(documents=50).text == load(documents=50, seed=0).text != load(documents=50, seed=1).text
