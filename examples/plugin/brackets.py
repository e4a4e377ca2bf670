"""Dyck words: balanced brackets of three kinds, `([]{})[]`, whose exact probabilities are known.

A word begins with an opening bracket. Where n brackets are open, the next token opens another one with probability
RATE / (RATE + 1 + n), of each kind with equal probability; else it closes the last open one, or ends the word where
none is open. The last open bracket may be far back: a model has to learn to keep a stack.
"""

import math
import random
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from zoo import Source

PAIRS = {"(": ")", "[": "]", "{": "}"}
RATE = 1.5


def load(*, documents: Annotated[int, Field(ge=1)] = 10_000, seed: Annotated[int, Field(ge=0)] = 0) -> Source:
    """`documents` words from `seed`, with their exact probabilities."""
    draw = random.Random(seed)
    return Source("brackets", [sample(draw) for _ in range(documents)], log_likelihood)


def sample(draw: random.Random) -> str:
    """Draw one word."""
    word = due = ""  # due: the closing brackets of the open ones, the next one first
    while True:
        if not word or draw.random() < opening(len(due)):
            word += draw.choice("([{")
            due = PAIRS[word[-1]] + due
        elif due:
            word, due = word + due[0], due[1:]
        else:
            return word


def log_likelihood(words: Sequence[str]) -> list[float]:
    """Log probability (nats) of each word, including its end; -inf for a text that is no word."""
    return [_log_probability(word) for word in words]


def opening(depth: int) -> float:
    """Probability that the next token opens a bracket where `depth` are open."""
    return RATE / (RATE + 1 + depth)


def _log_probability(text: str) -> float:
    due, nats = "", -math.log(opening(0))  # the first token always opens a bracket
    for token in text:
        if token in PAIRS:
            nats += math.log(opening(len(due)) / len(PAIRS))
            due = PAIRS[token] + due
        elif due.startswith(token):
            nats += math.log(1 - opening(len(due)))
            due = due[1:]
        else:
            return -math.inf
    return nats + math.log(1 - opening(0)) if text and not due else -math.inf
