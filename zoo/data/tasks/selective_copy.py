"""The task `selective-copy`: repeat the symbols that stand at random places among blanks, in their order.

Gu and Dao 2023, section 3.1.

    tokens     . 3 . . 0 . . . 7 . / / /        length tokens, then a question for each answer
    targets    _ _ _ _ _ _ _ _ _ _ 3 0 7

The gaps differ from document to document, so no fixed convolution can copy. Only the answers are scored. Without memory
each is one of the symbols, equally likely.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Task, choose, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED

BLANK, QUESTION, FIRST = 1, 2, 3


def load(
    *,
    length: Length = 64,
    copied: Annotated[int, Field(ge=1, le=1000)] = 8,
    symbols: Annotated[int, Field(ge=2, le=1000)] = 8,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """Repeat `copied` of `symbols` symbols that stand among `length` tokens."""
    require(
        "selective-copy",
        {f"{copied} symbols do not stand in {length} tokens: give copied={length} or less": copied > length},
    )

    def draw(generator: np.random.Generator, count: int) -> Documents:
        tokens = np.full((count, length + copied), BLANK)
        places = np.sort(choose(generator, count, length, copied), axis=1)
        answers = FIRST + generator.integers(symbols, size=(count, copied))
        np.put_along_axis(tokens, places, answers, axis=1)
        tokens[:, length:] = QUESTION
        targets = np.full_like(tokens, IGNORED)
        targets[:, length:] = answers
        return Documents(tokens, targets)

    return Task(
        "selective-copy", "./" + LETTERS[:symbols], length + copied, draw, shape_line(np.ones(symbols)),
        source="Gu and Dao 2023", documents=documents, seed=seed,
    )  # fmt: skip
