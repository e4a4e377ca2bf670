"""Training, validation and test; 80/10/10 unless asked otherwise."""

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split(Generic[T]):
    """One value a split."""

    train: T
    validation: T
    test: T

    def __getitem__(self, name: str) -> T:
        return getattr(self, name)


Shares = tuple[int, int, int]
"""Percent of training, validation and test."""
USUAL = (80, 10, 10)


Turn = tuple[int, int]
"""Which split, counted from 1, of how many: their beginnings lie evenly on the text, which is read as a circle."""
ONLY: Turn = (1, 1)


def split_points(count: int, shares: Shares, turn: Turn = ONLY) -> tuple[int, int]:
    """Where validation and test begin; where there is to be no test, at the end.

    Of several splits the last part has at most its share of the circle, so that no two of them meet: one less than in
    the first split, where that was rounded up.
    """
    first, second = count * shares[0] // 100, count * (shares[0] + shares[1]) // 100
    room = count // turn[1]
    return (first, max(second, count - room)) if shares[2] else (max(first, count - room), second)


def can_split(count: int, shares: Shares, turn: Turn = ONLY) -> bool:
    """Whether something is left for every split that is to be."""
    first, second = split_points(count, shares, turn)
    return 0 < first < second and (second < count or not shares[2])


def rotate(sequence: T, length: int, turn: Turn) -> T:
    """Begun (number - 1)/of further on, what stands before comes last; `sequence` slices and adds.

    The two ends of a stream meet in a seam, as two files of a directory do. What is scored for a verdict, the last
    part, never holds it: `split_points` makes it no longer than the first rotation goes.
    """
    number, of = turn
    begins = length * (number - 1) // of
    return sequence[begins:] + sequence[:begins] if begins else sequence  # type: ignore[index]


def shuffled_numbers(count: int, seed: int) -> NDArray[np.int32]:
    """(count,) the numbers of documents in the order in which `split_documents` cuts them."""
    numbers = array("i", range(count))
    random.Random(seed).shuffle(numbers)
    return np.frombuffer(numbers, np.int32)


def split_documents(documents: Sequence[T], seed: int, shares: Shares = USUAL, turn: Turn = ONLY) -> Split[list[T]]:
    """Shuffled with `random.Random(seed)`, then cut; 80/10/10 of names and seed 42 is the lecture's own split."""
    shuffled = list(documents)
    random.Random(seed).shuffle(shuffled)
    return split_stream(shuffled, len(shuffled), shares, turn)


def split_stream(stream: T, length: int, shares: Shares = USUAL, turn: Turn = ONLY) -> "Split[T]":
    """Three contiguous blocks, in the order of the text; `stream` is anything of `length` that slices and adds."""
    first, second = split_points(length, shares, turn)
    turned: Any = rotate(stream, length, turn)
    return Split(turned[:first], turned[first:second], turned[second:])


def count_repeats(split: Split[list[T]]) -> Split[int]:
    """How many documents of each split also stand in an earlier one."""
    train, validation = set(split.train), set(split.validation)
    return Split(
        0,
        sum(document in train for document in split.validation),
        sum(document in train or document in validation for document in split.test),
    )


def dedupe(split: Split[list[T]]) -> Split[list[T]]:
    """Without the documents of validation and test that also stand in an earlier split."""
    train, validation = set(split.train), set(split.validation)
    return Split(
        split.train,
        [document for document in split.validation if document not in train],
        [document for document in split.test if document not in train and document not in validation],
    )
