"""The task `parity`: has the number of ones so far been odd? (Hahn 2020; Merrill et al. 2024)

    tokens     0 1 1 0 1 1        random bits
    targets    0 1 0 0 1 0

Every position is scored. The current bit alone tells the parity of the first position, and nothing of any other, so
without memory a parity equals the bit with probability 1/2 + 1/(2T). A model that knows its position too loses
(1 - 1/T) ln 2.
"""

from math import log

import numpy as np

from zoo.data.task import HELD_OUT, PLACED, Documents, Line, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require


def load(*, length: Length = 64, documents: HeldOut = HELD_OUT, seed: TaskSeed = 0) -> Task:
    """`length` random bits."""
    require("parity", {"the parity of one bit is the bit: give length=2 or more": length < 2})

    def draw(generator: np.random.Generator, count: int) -> Documents:
        bits = generator.integers(2, size=(count, length))
        return Documents(1 + bits, 1 + bits.cumsum(axis=1) % 2)

    equal = 0.5 + 0.5 / length
    placed = Line((1 - 1 / length) * log(2), equal)
    return Task(
        "parity",
        "01",
        length,
        draw,
        shape_line(np.array([equal, 1 - equal])),
        lines={PLACED: placed},
        source="Hahn 2020; Merrill et al. 2024",
        documents=documents,
        seed=seed,
    )
