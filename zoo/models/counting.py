"""Count n-grams: every context of up to n - 1 tokens, with what follows it.

Contexts are nodes of a tree that is read backwards, from the last token to the first: the parent of a context is the
context without its first token. The contexts of a depth are numbered in the order of their keys,

    key = number of the parent * V + first token

so a context of any length is found by one binary search per token, and no key exceeds 64 bits. No context reaches over
the boundary token before a document: the n-grams at the start of a document are shorter, and begin with it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.tokens import BOUNDARY

Integers = NDArray[np.int64]
ROOT = -1
"""Key of the empty context, which has no first token."""


class Level(NamedTuple):
    """Contexts of d tokens, and the n-grams of d + 1 tokens that begin with them.

    Attributes:
        keys: (contexts,) ascending.
        grams: (n-grams,) number of the context * V + next token, ascending.
        counts: (n-grams,) how often each occurs.
    """

    keys: Integers
    grams: Integers
    counts: Integers


def count_ngrams(tokens: NDArray[Any], vocab_size: int, order: int) -> list[Level]:
    """Count the n-grams of 1, 2, ... `order` tokens whose last token is any of `tokens` but the first.

    Args:
        tokens: (n,) documents between boundary tokens, `0 d₁ 0 d₂ 0 ...`, or a stream after one, `0 d`.
    """
    levels, targets = list[Level](), tokens[1:].astype(np.int64)
    place, context = np.arange(len(targets)), np.zeros(len(targets), np.int64)
    keys = np.array([ROOT])
    for depth in range(order):
        if depth:
            place, wanted = _extend(tokens, place, context, depth, vocab_size)
            keys, context = np.unique(wanted, return_inverse=True)
        grams, counts = np.unique(context * vocab_size + targets[place], return_counts=True)
        levels.append(Level(keys, grams, counts))
    return levels


def find_contexts(
    tokens: NDArray[Any], vocab_size: int, levels: Sequence[Level]
) -> Iterator[tuple[Integers, Integers]]:
    """Yield, for every depth, the targets (m,) whose context was counted, and the numbers (m,) of these contexts.

    Args:
        tokens: as in `count_ngrams`; target i is token i + 1.
    """
    place, context = np.arange(len(tokens) - 1), np.zeros(len(tokens) - 1, np.int64)
    for depth, level in enumerate(levels):
        if depth:
            place, wanted = _extend(tokens, place, context, depth, vocab_size)
            context, there = find(level.keys, wanted)
            place, context = place[there], context[there]
        yield place, context


def _extend(
    tokens: NDArray[Any], place: Integers, context: Integers, depth: int, vocab_size: int
) -> tuple[Integers, Integers]:
    """The targets whose context of `depth` - 1 tokens has one before it in its document, and the keys with it."""
    inside = place + 1 >= depth
    if depth > 1:
        inside[inside] = tokens[place[inside] + 2 - depth] != BOUNDARY  # a context ends at the boundary before it
    place = place[inside]
    return place, context[inside] * vocab_size + tokens[place + 1 - depth]


def find(keys: Integers, wanted: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    """(n,) places of `wanted` in ascending `keys`, and whether they are there; the place of one that is not is any."""
    if not len(keys):
        return np.zeros_like(wanted), np.zeros(len(wanted), bool)
    order, place = np.argsort(wanted), np.empty_like(wanted)
    place[order] = np.searchsorted(keys, wanted[order])  # in order they are found much faster
    place = np.minimum(place, len(keys) - 1)
    return place, keys[place] == wanted


def count_continuations(level: Level, longer: Level, vocab_size: int) -> Integers:
    """(n-grams,) number of different tokens that stand before each n-gram of `level` among those of `longer`.

    An n-gram at the start of a document has none before it and keeps its count, as in KenLM (Heafield et al. 2013).
    """
    parent = longer.keys[longer.grams // vocab_size] // vocab_size
    shorter = np.searchsorted(level.grams, parent * vocab_size + longer.grams % vocab_size)
    different = np.bincount(shorter, minlength=len(level.grams))
    first = level.keys[level.grams // vocab_size]
    return np.where((first != ROOT) & (first % vocab_size == BOUNDARY), level.counts, different)
