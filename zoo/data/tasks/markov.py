"""The task `markov`: a random Markov source of some order, whose entropy is known for a window of any length.

The next of `symbols` symbols depends on the last `order` of them, by probabilities drawn from a Dirichlet distribution
of this `concentration`. (Makkuva et al. 2024 train on Markov sources, of two symbols.) Documents begin in the
stationary distribution, and every token that has `order` tokens before it is scored.

The floor is the conditional entropy H(next | last k tokens), exact for k = order, and for every shorter window too,
which the stationary distribution gives: those are the lines. The memoryless line is a window of 1.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.data.task import HELD_OUT, LETTERS, Array, Documents, Goal, Line, Task
from zoo.data.tasks.options import HeldOut, Length, TaskSeed, require
from zoo.errors import UsageError
from zoo.tokens import IGNORED

MOST_STATES = 1 << 16
MOST_SOLVED = 2048
"""Maximum number of states whose stationary distribution is solved for where iteration is too slow."""


def load(
    *,
    order: Annotated[int, Field(ge=1, le=16)] = 3,
    symbols: Annotated[int, Field(ge=2, le=1000)] = 4,
    length: Length = 64,
    concentration: Annotated[float, Field(gt=0, le=100)] = 0.3,
    documents: HeldOut = HELD_OUT,
    seed: TaskSeed = 0,
) -> Task:
    """A source of this order; `seed` draws its probabilities too."""
    states = symbols**order
    require("markov", {
        "the next symbol of order 1 needs no memory: give order=2 or more": order < 2,
        f"{symbols} symbols to the power of {order} are {states:,} states, and at most {MOST_STATES:,} fit":
            states > MOST_STATES,
        f"a document of {length} tokens has none with {order} before it: give length={order} or more": length < order,
    })  # fmt: skip
    table = np.random.default_rng([seed, order, symbols]).dirichlet(np.full(symbols, concentration), size=states) + 1e-6
    table /= table.sum(axis=1, keepdims=True)  # (states, symbols); the last symbol is the last digit of a state
    stationary = find_stationary(table)
    if stationary is None:
        raise UsageError(
            f"Corpus 'markov': with concentration={concentration:g} these {states:,} states mix too slowly to find how "
            "often each occurs: give a greater concentration."
        )
    cumulative = table.cumsum(axis=1)
    powers = symbols ** np.arange(order - 1, -1, -1)

    def draw(generator: np.random.Generator, count: int) -> Documents:
        state = generator.choice(states, size=count, p=stationary)
        text = np.empty((count, length + 1), dtype=np.int64)
        text[:, :order] = state[:, None] // powers % symbols
        chance = generator.random((count, length + 1))
        for t in range(order, length + 1):
            text[:, t] = np.minimum((cumulative[state] < chance[:, t, None]).sum(axis=1), symbols - 1)
            state = state * symbols % states + text[:, t]
        targets = np.where(np.arange(length) >= order - 1, text[:, 1:] + 1, IGNORED)
        return Documents(text[:, :-1] + 1, targets)

    def predict(tokens: Array) -> NDArray[np.float64]:
        windows = np.lib.stride_tricks.sliding_window_view(tokens - 1, order, axis=1)
        found = np.zeros((*tokens.shape, symbols + 1))
        found[:, order - 1 :, 1:] = table[windows @ powers]
        return found

    windows = [_line(table, stationary, window) for window in range(1, order + 1)]
    return Task(
        "markov", LETTERS[:symbols], length, draw, windows[0], predict, windows[-1],
        lines={f"window of {window}": line for window, line in enumerate(windows[1:-1], 2)},
        source="Makkuva et al. 2024", documents=documents, seed=seed, goal=Goal("excess", 0.01),
    )  # fmt: skip


def find_stationary(table: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(states,) stationary distribution of a source (states, symbols), by iteration; None if it does not converge.

    A source that is almost certain of every symbol is almost periodic, and falls almost into parts: iteration would
    take millions of steps, so the equations of at most MOST_SOLVED states are solved instead.
    """
    states, symbols = table.shape
    share = np.full(states, 1 / states)
    for _ in range(10_000):
        # state = (oldest, rest); the next state is (rest, symbol)
        after = (share[:, None] * table).reshape(symbols, -1).sum(axis=0)
        if np.abs(after - share).max() < 1e-14:
            return after / after.sum()
        share = after
    return _solve_stationary(table) if states <= MOST_SOLVED else None


def _solve_stationary(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(states,) stationary distribution, the solution of share · (transitions - 1) = 0 with the sum 1."""
    states, symbols = table.shape
    every = np.arange(states)
    flow = -np.eye(states)
    for symbol in range(symbols):
        np.add.at(flow, (every * symbols % states + symbol, every), table[:, symbol])
    flow[-1] = 1
    share = np.linalg.solve(flow, np.eye(states)[-1]).clip(min=0)
    found: NDArray[np.float64] = share / share.sum()
    return found


def _line(table: NDArray[np.float64], stationary: NDArray[np.float64], window: int) -> Line:
    """H(next | last `window` tokens), and the probability that the likeliest is right."""
    symbols = table.shape[1]
    joint = (stationary[:, None] * table).reshape(-1, symbols**window, symbols).sum(axis=0)
    conditional = joint / joint.sum(axis=1, keepdims=True)
    return Line(float(-(joint * np.log(conditional)).sum()), float(joint.max(axis=1).sum()))
