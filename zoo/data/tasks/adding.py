"""The task `adding`: the sum of the two marked numbers, in tokens (Hochreiter and Schmidhuber 1997, section 5.4).

    tokens     3 1 [5] 0 2 [4] 1 =        levels 0 to levels - 1, two of them marked, then a question
    targets    _ _ _   _ _ _   _ 9        their sum, 0 to 2 · levels - 2

The original asks for the sum of two real numbers of [0, 1], with a squared error. Here numbers are levels, each
equally likely, and their sum is one of the tokens, so the answer follows from the tokens: the floor is 0, without an
error of quantisation. Without memory, the sum s has probability min(s + 1, 2 · levels - 1 - s) / levels², a triangle.
A model that knows one of both numbers has a loss of ln(levels).
"""

from math import log
from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Line, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED

QUESTION, FIRST = 1, 2


def load(
    *,
    length: Length = 64,
    levels: Annotated[int, Field(ge=2, le=1000)] = 10,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """Add the two marked of `length` - 1 numbers, one in each half."""
    require("adding", {f"length={length} has no room for two numbers and a question: give 3 or more": length < 3})
    numbers = length - 1
    half = numbers // 2

    def draw(generator: np.random.Generator, count: int) -> Documents:
        rows = np.arange(count)
        value = generator.integers(levels, size=(count, numbers))
        first = generator.integers(half, size=count)
        second = generator.integers(half, numbers, size=count)
        tokens = np.full((count, length), QUESTION)
        tokens[:, :-1] = FIRST + value
        tokens[rows, first] += levels
        tokens[rows, second] += levels
        targets = np.full_like(tokens, IGNORED)
        targets[:, -1] = FIRST + value[rows, first] + value[rows, second]
        return Documents(tokens, targets)

    sums = np.arange(2 * levels - 1)
    return Task(
        "adding", "/" + LETTERS[: 2 * levels], length, draw, shape_line(np.minimum(sums + 1.0, 2 * levels - 1 - sums)),
        lines={"one number known": Line(log(levels), 1 / levels)},
        source="Hochreiter and Schmidhuber 1997", documents=documents, seed=seed,
    )  # fmt: skip
