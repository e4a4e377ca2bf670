"""The corpus `invented`: coined words from a small stochastic grammar whose exact probabilities are known.

A word consists of syllables and, usually, an ending. Two dependencies span the whole word:

- **Vowel harmony.** All vowels are back (a, o, u) or front (e, y), as the first vowel decides. The neutral i occurs
  with both, so after a first i the harmony is still hidden.
- **Agreement.** The first consonant of the word sets the consonant of the ending: m after a labial, n after a coronal,
  k after a dorsal; the ending of a word that starts with a vowel has s.

The grammar is a hidden Markov model whose arcs emit letters, so the forward algorithm (Rabiner 1989, section III.A)
gives the exact probability of every next letter. Hence the floor, the loss of a perfect model, is known for any split.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zoo.data.source import Source
from zoo.data.vocabulary import code_points

Weights = Mapping[str, float]
Arc = tuple[str, str, float]  # letter ("" ends the word), next state, probability

ONSETS: dict[str, Weights] = {
    "labial": {"p": 3, "b": 3, "m": 5, "f": 2, "v": 2},
    "coronal": {"t": 5, "d": 3, "n": 5, "s": 5, "l": 5, "r": 4},
    "dorsal": {"k": 5, "g": 3, "h": 2},
}
CLASSES = {"labial": 15, "coronal": 22, "dorsal": 10, "vowel": 8}
AGREEMENT = {"labial": "m", "coronal": "n", "dorsal": "k", "vowel": "s"}
HARMONY: dict[str, Weights] = {
    "back": {"a": 6, "o": 4, "u": 3, "i": 3},
    "front": {"e": 6, "y": 4, "i": 3},
}
ENDING_VOWEL: dict[str, Weights] = {"back": {"a": 3, "u": 2}, "front": {"e": 3, "y": 2}}
CODAS: Weights = {"l": 3, "r": 3, "n": 4, "s": 2}
BACK, CODA, BARE = 0.55, 0.3, 0.12
MORE = (0.9, 0.55, 0.25, 0.0)
"""Probability of another syllable after the first, second, ...; a word has at most four."""


def _normalize(weights: Weights) -> dict[str, float]:
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


def _grammar() -> dict[str, list[Arc]]:
    """State -> its arcs. The name of a state has what is fixed so far: first consonant, harmony, syllables."""
    arcs: dict[str, list[Arc]] = {"start": [], "final": [("", "end", 1.0)]}
    onset = _normalize({letter: weight for group in ONSETS.values() for letter, weight in group.items()})
    chances = {"back": BACK, "front": 1 - BACK}
    for first, share in _normalize(CLASSES).items():
        first_vowel = [
            (vowel, f"nucleus {first} {harmony} 0", chance * p)
            for harmony, chance in chances.items()
            for vowel, p in _normalize(HARMONY[harmony]).items()
        ]
        if first == "vowel":
            arcs["start"] += [(vowel, state, share * p) for vowel, state, p in first_vowel]
        else:
            arcs["start"] += [(letter, f"first {first}", share * p) for letter, p in _normalize(ONSETS[first]).items()]
            arcs[f"first {first}"] = first_vowel
        for harmony, vowels in HARMONY.items():
            ending = f"ending {first} {harmony}"
            arcs[ending] = [(v, f"last {first}", p) for v, p in _normalize(ENDING_VOWEL[harmony]).items()]
            for syllable, more in enumerate(MORE):
                fixed = f"{first} {harmony} {syllable}"
                going_on: list[Arc] = [
                    *((letter, f"onset {first} {harmony} {syllable + 1}", more * p) for letter, p in onset.items()),
                    (AGREEMENT[first], ending, (1 - more) * (1 - BARE)),
                    ("", "end", (1 - more) * BARE),
                ]
                arcs[f"coda {fixed}"] = [arc for arc in going_on if arc[2]]
                arcs[f"nucleus {fixed}"] = [
                    *((letter, f"coda {fixed}", CODA * p) for letter, p in _normalize(CODAS).items()),
                    *((letter, state, (1 - CODA) * p) for letter, state, p in arcs[f"coda {fixed}"]),
                ]
                if syllable:
                    arcs[f"onset {fixed}"] = [(v, f"nucleus {fixed}", p) for v, p in _normalize(vowels).items()]
        arcs[f"last {first}"] = [(AGREEMENT[first], "final", 0.5), ("", "end", 0.5)]
    return arcs


@cache
def _tables() -> tuple[list[str], NDArray[np.float64]]:
    """Letters (the last is "", the end) and arcs as probabilities (letter, state, next state)."""
    arcs = _grammar()
    states = ["start", *(state for state in arcs if state != "start"), "end"]
    number = {state: index for index, state in enumerate(states)}
    letters = [*sorted({letter for out in arcs.values() for letter, _, _ in out} - {""}), ""]
    table = np.zeros((len(letters), len(states), len(states)))
    for state, out in arcs.items():
        for letter, following, probability in out:
            table[letters.index(letter), number[state], number[following]] += probability
    return letters, table


@cache
def _blocks() -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """For each letter: states that emit it, states that may follow, and the probabilities of the arcs between them."""
    tables = _tables()[1]
    ends = [(np.flatnonzero(table.any(axis=1)), np.flatnonzero(table.any(axis=0))) for table in tables]
    return [(states, next_, table[np.ix_(states, next_)]) for (states, next_), table in zip(ends, tables, strict=True)]


def sample(count: int, seed: int) -> list[str]:
    """Draw `count` independent words; the same count and seed give the same words on every machine."""
    letters, table = _tables()
    arcs = [np.argwhere(table[:, state]) for state in range(table.shape[1])]  # (letter, next state) rows
    width = max(map(len, arcs))
    cumulative = np.full((len(arcs), width), np.inf)
    target = np.zeros((len(arcs), width, 2), dtype=np.int64)
    for number, out in enumerate(arcs):
        if len(out):
            running = table[out[:, 0], number, out[:, 1]].cumsum()
            cumulative[number, : len(out)] = running / running[-1]
            target[number, : len(out)] = out
    generator = np.random.Generator(np.random.PCG64(seed))
    columns = []  # (count,) letter numbers, one array per position
    state = np.zeros(count, dtype=np.int64)
    letter = np.zeros(count, dtype=np.int64)
    end = len(letters) - 1
    while (letter != end).any():
        alive = np.flatnonzero(letter != end)
        arc = (cumulative[state[alive]] <= generator.random(len(alive))[:, None]).sum(axis=1)
        letter[alive], state[alive] = target[state[alive], arc].T
        columns.append(letter.copy())
    spelled = np.array(letters)[np.stack(columns, axis=1)] if columns else np.empty((count, 0), dtype=str)
    return ["".join(row) for row in spelled.tolist()]


def log_likelihood(words: Sequence[str]) -> list[float]:
    """Exact log probability (nats) of each word, with its end, by the forward algorithm; -inf if impossible.

    Computes shared prefixes of words once.
    """
    letters, table = _tables()
    known, end, count = code_points("".join(letters)), letters.index(""), len(letters)
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    longest = int(lengths.max(initial=0)) + 1
    text = code_points("".join(words))
    number = np.minimum(np.searchsorted(known, text), len(known) - 1)
    codes = np.full((len(words), longest), end)
    codes[np.arange(longest) < lengths[:, None]] = np.where(known[number] == text, number, -1)
    result = np.full(len(words), -np.inf)
    alive = np.flatnonzero((codes >= 0).all(axis=1))
    prefix = np.zeros(
        len(alive), dtype=np.int64
    )  # for each word that has not ended, the row of its prefix in `forward`
    forward, nats = np.eye(1, table.shape[1]), np.zeros(1)
    for position in range(longest):
        keys, prefix = np.unique(prefix * count + codes[alive, position], return_inverse=True)
        before, letter = forward[keys // count], keys % count
        forward = np.zeros_like(before)
        for one, (states, following, block) in enumerate(_blocks()):
            rows = np.flatnonzero(letter == one)
            forward[rows[:, None], following] = before[rows[:, None], states] @ block
        scale = forward.sum(axis=1)
        forward /= np.maximum(scale, 1e-300)[:, None]
        with np.errstate(divide="ignore"):
            nats = nats[keys // count] + np.log(scale)
        over = codes[alive, position] == end
        result[alive[over]] = nats[prefix[over]]
        alive, prefix = alive[~over], prefix[~over]
    return [float(value) for value in result]


def load(
    *, documents: Annotated[int, Field(ge=1, le=100_000_000)] = 32_000, seed: Annotated[int, Field(ge=0)] = 0
) -> Source:
    """Coined words of a grammar whose exact probabilities are known: `documents` of them, drawn under `seed`."""
    return Source("invented", sample(documents, seed), log_likelihood)
