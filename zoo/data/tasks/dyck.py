"""The task `dyck`: which bracket must close next? (Dyck languages of bounded depth: Hewitt et al. 2020)

    tokens     ( [ ] ( ) [ ) ...        never closed but by their own kind, at most `depth` deep
    targets    _ _ ) _ ...              scored after a closing bracket inside of another

Kinds are equally likely and independent, so without memory of the open brackets the answer is one of them: ln(kinds).
After an opening bracket the answer would be its own kind, which needs no memory: there nothing is scored.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Documents, Task, shape_line
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require
from zoo.tokens import IGNORED


def load(
    *,
    kinds: Annotated[int, Field(ge=2, le=1000)] = 4,
    depth: Annotated[int, Field(ge=2, le=1000)] = 8,
    length: Length = 64,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """Brackets of `kinds` kinds, at most `depth` deep; opening and closing are equally likely where both can be."""
    require(
        "dyck", {f"length={length} has no room for a closing bracket inside of another: give 3 or more": length < 3}
    )

    def draw(generator: np.random.Generator, count: int) -> Documents:
        drawn = [_draw_once(generator, count, kinds, depth, length)]
        while (few := count - sum(len(part.tokens) for part in drawn)) > 0:
            drawn.append(_draw_once(generator, few, kinds, depth, length))
        return Documents(*(np.concatenate(part) for part in zip(*drawn, strict=True)))

    return Task(
        "dyck", LETTERS[10 : 10 + kinds] + LETTERS[36 : 36 + kinds] if kinds <= 26 else LETTERS[: 2 * kinds],
        length, draw, shape_line(np.ones(kinds)), source="Hewitt et al. 2020", documents=documents, seed=seed,
    )  # fmt: skip


def _draw_once(generator: np.random.Generator, count: int, kinds: int, depth: int, length: int) -> Documents:
    """Draw `count` documents, return those with a scored token; kind k opens as 1 + k and closes as 1 + kinds + k."""
    rows = np.arange(count)
    opens, kind = generator.random((count, length)) < 0.5, generator.integers(kinds, size=(count, length))
    stack, height = np.zeros((count, depth + 1), dtype=np.int64), np.zeros(count, dtype=np.int64)
    tokens, targets = np.empty((count, length), dtype=np.int64), np.full((count, length), IGNORED)
    for t in range(length):
        opening = (height == 0) | (opens[:, t] & (height < depth))
        top = stack[rows, height]
        height = height + np.where(opening, 1, -1)
        stack[rows[opening], height[opening]] = kind[opening, t]
        tokens[:, t] = np.where(opening, 1 + kind[:, t], 1 + kinds + top)
        asked = ~opening & (height > 0)
        targets[asked, t] = 1 + kinds + stack[rows[asked], height[asked]]
    scored = (targets != IGNORED).any(axis=1)
    return Documents(tokens[scored], targets[scored])
