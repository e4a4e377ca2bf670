"""The task `group`: the product of all elements so far, in a finite group (Merrill et al. 2024, section 5).

    tokens     g1  g2    g3           random elements
    targets    g1  g1g2  g1g2g3

Z60 is commutative, A5 the smallest group that is not solvable, S5 contains it: products in the last two are complete
for NC1, so that models whose depth does not grow with length cannot compute them, if TC0 is not NC1. Every position is
scored. The current element alone is the product at the first position, and tells nothing of any other: a model that
knows its position too loses (1 - 1/T) ln n.
"""

from itertools import permutations
from math import log
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, PLACED, Documents, Line, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require

Group = Annotated[Literal["Z2", "Z60", "A5", "S5"], Field(description="the group")]


def load(*, of: Group = "A5", length: Length = 16, documents: HeldOut = HELD_OUT, seed: TaskSeed = 0) -> Task:
    """`length` random elements of a group: Z2, Z60, A5 or S5."""
    require("group", {"the product of one element is the element: give length=2 or more": length < 2})
    table = make_table(of)

    def draw(generator: np.random.Generator, count: int) -> Documents:
        elements = generator.integers(len(table), size=(count, length))
        products = elements.copy()
        for t in range(1, length):
            products[:, t] = table[products[:, t - 1], elements[:, t]]
        return Documents(1 + elements, 1 + products)

    other = (1 - 1 / length) / len(table)
    shares = np.full(len(table), other)
    shares[0] += 1 / length
    return Task(
        "group",
        LETTERS[: len(table)],
        length,
        draw,
        shape_line(shares),
        lines={PLACED: Line((1 - 1 / length) * log(len(table)), 1 / length + other)},
        source="Merrill et al. 2024",
        documents=documents,
        seed=seed,
    )


def make_table(of: str) -> NDArray[np.int64]:
    """(n, n) product of elements a and b: first a, then b; element 0 is the identity."""
    if of.startswith("Z"):
        order = int(of[1:])
        return np.add.outer(np.arange(order), np.arange(order)) % order
    elements = [one for one in permutations(range(5)) if of == "S5" or _is_even(one)]
    number = {one: place for place, one in enumerate(elements)}
    return np.array([[number[tuple(b[i] for i in a)] for b in elements] for a in elements])


def _is_even(permutation: tuple[int, ...]) -> bool:
    inversions = sum(a > b for i, a in enumerate(permutation) for b in permutation[i + 1 :])
    return inversions % 2 == 0
