"""The task `copy`: repeat symbols after a gap (copy memory: Arjovsky et al. 2016; Bai et al. 2018).

    tokens     3 0 7 . . . . . . . / . . .        symbols, T - 1 blanks, a delimiter, a blank for each answer
    targets    _ _ _ _ _ _ _ _ _ _ _ 3 0 7

Only the answers are scored. Without memory each is one of the symbols, equally likely: ln 8 for 8. Papers average over
all T + 20 positions, where every other position asks for a blank: no memory at all scores 10 · ln 8 / (T + 20) there.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed
from zoo.tokens import IGNORED

BLANK, DELIMITER, FIRST = 1, 2, 3


def load(
    *,
    length: Length = 30,
    copied: Annotated[int, Field(ge=1, le=1000)] = 10,
    symbols: Annotated[int, Field(ge=2, le=1000)] = 8,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """Repeat `copied` of `symbols` symbols; `length` is the T of the papers, between the symbols and the answers."""

    def draw(generator: np.random.Generator, count: int) -> Documents:
        tokens = np.full((count, length + 2 * copied), BLANK)
        tokens[:, :copied] = FIRST + generator.integers(symbols, size=(count, copied))
        tokens[:, -copied - 1] = DELIMITER
        targets = np.full_like(tokens, IGNORED)
        targets[:, -copied:] = tokens[:, :copied]
        return Documents(tokens, targets)

    return Task(
        "copy", "./" + LETTERS[:symbols], length + 2 * copied, draw, shape_line(np.ones(symbols)),
        averaged=length + 2 * copied, source="Arjovsky et al. 2016; Bai et al. 2018", documents=documents, seed=seed,
    )  # fmt: skip
