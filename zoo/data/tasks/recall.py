"""The task `recall`: which value belonged to this key? (MQAR, multi-query associative recall: Arora et al. 2023)

    tokens     A x C y B z . . C . . . . A .        pairs of a key and a value, then keys as questions
    targets    _ _ _ _ _ _ _ _ y _ _ _ _ x _

Keys of a document are different, and so are its values. Questions come after gaps that follow a power law, as in
language: a gap g is as likely as g^(power - 1). With `noise`, so many noise tokens stand between the pairs (Poli et al.
2024, MAD). No answer stands in the input after its question.

Without memory a value is one of all values, equally likely. A model that knows which values the document has, but not
which belongs to which key, has a loss of ln(pairs): at this line a model remembers, but does not bind.
"""

from math import log
from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Line, Task, choose, shape_line
from zoo.data.tasks.options import MOST_SYMBOLS, HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED

BLANK, FIRST = 1, 2
NOISE = 8
"""Number of different noise tokens."""


def load(
    *,
    pairs: Annotated[int, Field(ge=1, le=10_000)] = 8,
    queries: Annotated[int | None, Field(ge=1, le=10_000)] = None,
    length: Length = 128,
    keys: Annotated[int, Field(ge=1, le=MOST_SYMBOLS)] = 32,
    values: Annotated[int, Field(ge=2, le=MOST_SYMBOLS)] = 32,
    power: Annotated[float, Field(gt=0, le=10)] = 0.01,
    noise: Annotated[int, Field(ge=0, le=100_000)] = 0,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """`pairs` pairs, and questions about `queries` of them (all by default) within `length` tokens."""
    asked = pairs if queries is None else queries
    begins = 2 * pairs + noise
    require("recall", {
        f"{pairs} pairs need as many different keys, and there are {keys}: give keys={pairs} or more": pairs > keys,
        f"{pairs} pairs need as many different values, and there are {values}: give values={pairs} or more":
            pairs > values,
        f"{asked} questions about {pairs} pairs, each asked at most once: give queries={pairs} or less": asked > pairs,
        f"{begins} tokens of pairs and noise and {asked} questions do not fit: give length={begins + asked} or more":
            begins + asked > length,
        f"{keys} keys and {values} values are more than {MOST_SYMBOLS:,} symbols": keys + values > MOST_SYMBOLS,
    })  # fmt: skip
    first_value, first_noise = FIRST + keys, FIRST + keys + values
    gaps = np.arange(1, length - begins + 1) ** (power - 1.0)

    def draw(generator: np.random.Generator, count: int) -> Documents:
        tokens = np.full((count, length), BLANK)
        key = FIRST + choose(generator, count, keys, pairs)
        value = first_value + choose(generator, count, values, pairs)
        places = np.sort(choose(generator, count, pairs + noise, pairs), axis=1) + np.arange(pairs)
        tokens[:, :begins] = first_noise + generator.integers(NOISE, size=(count, begins))
        np.put_along_axis(tokens, places, key, axis=1)
        np.put_along_axis(tokens, places + 1, value, axis=1)
        pair = choose(generator, count, pairs, asked)
        # Efraimidis and Spirakis 2006: the largest of u^(1/w) are a draw without replacement by the weights w
        drawn = np.log(generator.random((count, len(gaps)))) / gaps
        at = begins + np.argpartition(-drawn, asked - 1, axis=1)[:, :asked]
        targets = np.full_like(tokens, IGNORED)
        np.put_along_axis(tokens, at, np.take_along_axis(key, pair, axis=1), axis=1)
        np.put_along_axis(targets, at, np.take_along_axis(value, pair, axis=1), axis=1)
        return Documents(tokens, targets)

    return Task(
        "recall", "." + LETTERS[: keys + values + (NOISE if noise else 0)], length, draw, shape_line(np.ones(values)),
        lines={"values seen, binding unknown": Line(log(pairs), 1 / pairs)},
        source="Arora et al. 2023 (MQAR)", documents=documents, seed=seed,
    )  # fmt: skip
