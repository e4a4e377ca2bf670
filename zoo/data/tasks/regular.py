"""The task `regular`: learn a finite automaton from the document it writes (RegBench: Akyürek et al. 2024).

Each document is written by one automaton of a pool, drawn anew for every document: from every state `choices` of the
symbols are possible, equally likely, and each leads to a state. The next token is scored everywhere.

The pool follows from the options, so the floor is exact: the Bayes mixture of its automata, each weighted by the
probability that it wrote the document so far. The value with the automaton given is a bound that no model reaches. The
memoryless line is the mean over the pool, and over positions, of what the current symbol tells of the next.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Array, Documents, Goal, Line, Task
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require


def load(
    *,
    automata: Annotated[int, Field(ge=1, le=10_000)] = 32,
    states: Annotated[int, Field(ge=1, le=100)] = 4,
    symbols: Annotated[int, Field(ge=2, le=1000)] = 8,
    choices: Annotated[int, Field(ge=1, le=1000)] = 3,
    length: Length = 64,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """A pool of `automata` automata with `states` states; `seed` draws it too."""
    require("regular", {
        f"with {choices} choices among {symbols} symbols every symbol can follow: give choices={symbols - 1} or less":
            choices >= symbols,
        "one automaton with one state needs no memory: give states=2 or more": automata == states == 1,
    })  # fmt: skip
    pool = np.random.default_rng([seed, automata, states, symbols, choices])
    possible = np.zeros((automata, states, symbols))
    ranks = pool.random(possible.shape).argsort(axis=2)
    np.put_along_axis(possible, ranks[:, :, :choices], 1 / choices, axis=2)
    following = pool.integers(states, size=possible.shape)
    each = np.arange(automata)

    def draw(generator: np.random.Generator, count: int) -> Documents:
        automaton = generator.integers(automata, size=count)
        chosen = generator.integers(choices, size=(count, length + 1))
        text, state = np.empty((count, length + 1), dtype=np.int64), np.zeros(count, dtype=np.int64)
        for t in range(length + 1):
            text[:, t] = ranks[automaton, state, chosen[:, t]]
            state = following[automaton, state, text[:, t]]
        return Documents(text[:, :-1] + 1, text[:, 1:] + 1)

    def predict(tokens: Array) -> NDArray[np.float64]:
        state = np.zeros((len(tokens), automata), dtype=np.int64)
        weight = np.full((len(tokens), automata), 1 / automata)
        found = np.zeros((*tokens.shape, symbols + 1))
        for t in range(tokens.shape[1]):
            symbol = tokens[:, t, None] - 1
            weight = weight * possible[each, state, symbol]
            weight /= weight.sum(axis=1, keepdims=True)
            state = following[each, state, symbol]
            found[:, t, 1:] = np.einsum("da,das->ds", weight, possible[each, state])
        return found

    memoryless, given = _lines(possible, following, length)
    return Task(
        "regular", LETTERS[:symbols], length, draw, memoryless, predict,
        lines={"automaton given": given}, goal=Goal("excess", 0.02),
        source="Akyürek et al. 2024 (RegBench)", documents=documents, seed=seed,
    )  # fmt: skip


def _lines(possible: NDArray[np.float64], following: Array, length: int) -> tuple[Line, Line]:
    """Follow the probabilities of states: the memoryless line, and that with the automaton given."""
    automata, states, symbols = possible.shape
    share = np.zeros((automata, states))
    share[:, 0] = 1 / automata
    pairs, given, certain = np.zeros((symbols, symbols)), 0.0, 0.0
    for _ in range(length):
        after = np.zeros_like(share)
        for symbol in range(symbols):
            reached = np.zeros_like(share)
            np.add.at(reached, (np.arange(automata)[:, None], following[:, :, symbol]), share * possible[:, :, symbol])
            pairs[symbol] += np.einsum("as,asn->n", reached, possible)
            after += reached
        share = after
        entropy = -np.where(possible > 0, possible * np.log(np.where(possible > 0, possible, 1)), 0).sum(axis=2)
        given += float((share * entropy).sum())
        certain += float((share * possible.max(axis=2)).sum())
    joint = pairs / pairs.sum()
    known = joint > 0
    conditional = joint / joint.sum(axis=1, keepdims=True).clip(min=1e-300)
    memoryless = Line(float(-(joint[known] * np.log(conditional[known])).sum()), float(joint.max(axis=1).sum()))
    return memoryless, Line(given / length, certain / length)
