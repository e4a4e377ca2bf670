"""The task `memorize`: answers from a fixed dictionary, which no document shows (Poli et al. 2024, MAD).

    tokens     C ? A ? C ? B ?        keys, each before its question
    targets    _ y _ x _ y _ z

The dictionary follows from the options, never from a run's seed: weights must hold it. `apart` puts blanks between a
key and its question. Without memory of the key, an answer is as likely as it is frequent among the keys.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Task, shape_line
from zoo.data.tasks.options import MOST_SYMBOLS, HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED

BLANK, QUESTION, FIRST = 1, 2, 3


def load(
    *,
    keys: Annotated[int, Field(ge=2, le=MOST_SYMBOLS)] = 64,
    values: Annotated[int, Field(ge=2, le=MOST_SYMBOLS)] = 64,
    length: Length = 32,
    apart: Annotated[int, Field(ge=0, le=100_000)] = 0,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """A dictionary of `keys` keys, each with one of `values` values; `seed` draws it too."""
    size = apart + 2
    require("memorize", {
        f"a key, {apart} blanks and a question do not fit into {length} tokens: give length={size} or more":
            size > length,
        f"{keys} keys and {values} values are more than {MOST_SYMBOLS:,} symbols": keys + values > MOST_SYMBOLS,
    })  # fmt: skip
    dictionary = np.random.default_rng([seed, keys, values]).integers(values, size=keys)
    require("memorize", {
        f"seed={seed} gives all {keys} keys one value, so there is nothing to learn: give another seed":
            len(set(dictionary.tolist())) < 2,
    })  # fmt: skip
    questions = np.arange(size - 1, length, size)

    def draw(generator: np.random.Generator, count: int) -> Documents:
        tokens = np.full((count, length), BLANK)
        drawn = generator.integers(keys, size=(count, len(questions)))
        tokens[:, questions - size + 1] = FIRST + drawn
        tokens[:, questions] = QUESTION
        targets = np.full_like(tokens, IGNORED)
        targets[:, questions] = FIRST + keys + dictionary[drawn]
        return Documents(tokens, targets)

    return Task(
        "memorize", "./" + LETTERS[: keys + values], length, draw, shape_line(np.bincount(dictionary).astype(float)),
        source="Poli et al. 2024 (MAD)", documents=documents, seed=seed,
    )  # fmt: skip
