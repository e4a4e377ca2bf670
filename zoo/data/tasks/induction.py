"""The task `induction`: after `a b ... a` comes `b` (induction heads: Olsson et al. 2022).

    tokens     q r a b s q t r t a        the last token stands once before; which one it is differs
    targets    _ _ _ _ _ _ _ _ _ b

Only the last token is scored. Without memory its answer is any other symbol, equally likely. A model that counts the
symbols of the document, but does not know which follows, gains a little: that line is exact by the binomial
distribution of the count of the answer.
"""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import gammaln, xlog1py, xlogy

from zoo.data.task import HELD_OUT, LETTERS, Documents, Line, Task, shape_line
from zoo.data.tasks.options import MOST_SYMBOLS, HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED


def load(
    *,
    length: Length = 64,
    symbols: Annotated[int, Field(ge=3, le=MOST_SYMBOLS)] = 16,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """`length` tokens of `symbols` symbols, of which the last stands once before."""
    require("induction", {f"length={length} has no room for a b ... a: give 4 or more": length < 4})

    def draw(generator: np.random.Generator, count: int) -> Documents:
        rows = np.arange(count)
        trigger = generator.integers(symbols, size=count)
        others = generator.integers(symbols - 1, size=(count, length))
        tokens = 1 + others + (others >= trigger[:, None])
        at = generator.integers(length - 2, size=count)
        tokens[rows, at] = tokens[:, -1] = 1 + trigger
        targets = np.full_like(tokens, IGNORED)
        targets[:, -1] = tokens[rows, at + 1]
        return Documents(tokens, targets)

    room = length - 2  # tokens that are not the trigger, one of them the answer
    counted = Line(-_mean_log_share(room, 1 / (symbols - 1)), None)
    return Task(
        "induction", LETTERS[:symbols], length, draw, shape_line(np.ones(symbols - 1)),
        lines={"symbols counted, order unknown": counted}, source="Olsson et al. 2022", documents=documents, seed=seed,
    )  # fmt: skip


def _mean_log_share(room: int, chance: float) -> float:
    """E[log((1 + X) / room)], where X of the other room - 1 tokens equal the answer, each with this chance."""
    n, x = room - 1, np.arange(room)
    log_binomial = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) + xlogy(x, chance) + xlog1py(n - x, -chance)
    return float((np.exp(log_binomial) * np.log((1 + x) / room)).sum())
