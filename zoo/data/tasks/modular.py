"""The task `modular`: count modulo some number, from the last reset on (modular arithmetic: Delétang et al. 2023).

    tokens     2 1 * 1 1 2 * 0 2        digits to add, and resets to 0
    targets    2 0 0 1 2 1 0 0 2        modulo 3

Every position is scored. Digits are equally likely, so a count is equally likely any number once a digit before it is
unknown. A model that sees w tokens knows a count if a reset or the start is among them; the share of other positions
falls by 1 - resets with every token, so the loss against the window says how far a model looks back. Without memory,
w = 1: a count equals its digit if a reset or the start stands before it, and else by chance.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, PLACED, Documents, Line, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require

RESET, FIRST = 1, 2


def load(
    *,
    modulus: Annotated[int, Field(ge=2, le=1000)] = 5,
    resets: Annotated[float, Field(ge=0, lt=1)] = 0.05,
    length: Length = 64,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """Count modulo `modulus`; `resets` is the share of tokens that reset the count."""
    require("modular", {"the count after one digit is the digit: give length=2 or more": length < 2})

    def draw(generator: np.random.Generator, count: int) -> Documents:
        digits = generator.integers(modulus, size=(count, length))
        is_reset = generator.random((count, length)) < resets
        totals = np.where(is_reset, 0, digits).cumsum(axis=1)
        before = np.maximum.accumulate(np.where(is_reset, totals, 0), axis=1)  # the total at the last reset
        return Documents(np.where(is_reset, RESET, FIRST + digits), FIRST + (totals - before) % modulus)

    first, guess = 1 / length, _guess(resets, modulus)
    others = (1 - first) * (1 - resets)
    placed = Line(others * guess.loss, 1 - others * (1 - (guess.accuracy or 0.0)))
    windows = {f"window of {w}": see_window(w, modulus, resets, length) for w in (4, 16) if w < length}
    return Task(
        "modular", "*" + LETTERS[:modulus], length, draw, see_window(1, modulus, resets, length),
        lines={PLACED: placed, **windows},
        source="Delétang et al. 2023", documents=documents, seed=seed,
    )  # fmt: skip


def see_window(window: int, modulus: int, resets: float, length: int) -> Line:
    """Return what the best predictor reaches that sees the last `window` tokens, but not the position."""
    # of positions with a whole window free of resets, the share that a reset or the start precedes
    free = (1 - resets) ** window
    whole = length - window + 1
    known = (1 + (whole - 1) * resets) / whole
    guess = _guess(known, modulus)
    unknown = whole * free / length
    return Line(unknown * guess.loss, 1 - unknown * (1 - (guess.accuracy or 0.0)))


def _guess(known: float, modulus: int) -> Line:
    """Return what guessing a count reaches that is its digits with probability `known`, and else any number."""
    other = (1 - known) / modulus
    return shape_line(np.array([known + other] + [other] * (modulus - 1)))
