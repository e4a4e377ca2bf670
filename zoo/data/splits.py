"""Split a text into training, validation and test, 80/10/10 by default."""

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
    """One value for each split."""

    train: T
    validation: T
    test: T

    def __getitem__(self, name: str) -> T:
        return getattr(self, name)


Shares = tuple[int, int, int]
"""Percent of training, validation and test."""
USUAL = (80, 10, 10)


Turn = tuple[int, int]
"""Number of a rotation, from 1, and number of rotations; they begin at evenly spaced points of the circular text."""
ONLY: Turn = (1, 1)


def split_points(count: int, shares: Shares, turn: Turn = ONLY) -> tuple[int, int]:
    """Positions where validation and test begin; without a test split the second is the end.

    With several rotations the last split is no longer than the distance between two of them, so that those of two
    rotations never overlap. It may have one item less than in a single split.
    """
    first, second = count * shares[0] // 100, count * (shares[0] + shares[1]) // 100
    room = count // turn[1]
    return (first, max(second, count - room)) if shares[2] else (max(first, count - room), second)


def can_split(count: int, shares: Shares, turn: Turn = ONLY) -> bool:
    """Whether every split with a share has an item."""
    first, second = split_points(count, shares, turn)
    return 0 < first < second and (second < count or not shares[2])


def rotate(sequence: T, length: int, turn: Turn) -> T:
    """Rotate by (number - 1)/of of the length, so that items before that point come last.

    The two ends of a stream meet at a seam, as two files of a directory do. The last split, which is scored for a
    verdict, never contains the seam: `split_points` makes it no longer than the distance between rotations.

    Args:
        sequence: supports slicing and `+`.
        length: its length.
        turn: number of the rotation, and number of rotations.
    """
    number, of = turn
    begins = length * (number - 1) // of
    return sequence[begins:] + sequence[:begins] if begins else sequence  # type: ignore[index]


def shuffle_numbers(count: int, seed: int) -> NDArray[np.int32]:
    """(count,) indices of the documents in the shuffled order of `split_documents`."""
    numbers = array("i", range(count))
    random.Random(seed).shuffle(numbers)
    return np.frombuffer(numbers, np.int32)


def split_documents(documents: Sequence[T], seed: int, shares: Shares = USUAL, turn: Turn = ONLY) -> Split[list[T]]:
    """Shuffle with `random.Random(seed)`, then cut; `names`, 80/10/10 and seed 42 give the lecture's split."""
    shuffled = list(documents)
    random.Random(seed).shuffle(shuffled)
    return split_stream(shuffled, len(shuffled), shares, turn)


def split_stream(stream: T, length: int, shares: Shares = USUAL, turn: Turn = ONLY) -> "Split[T]":
    """Cut into three contiguous blocks, in order; `stream` has `length` items and supports slicing and `+`."""
    first, second = split_points(length, shares, turn)
    turned: Any = rotate(stream, length, turn)
    return Split(turned[:first], turned[first:second], turned[second:])


def count_repeats(split: Split[list[T]]) -> Split[int]:
    """Count the documents of each split that also occur in an earlier one."""
    train, validation = set(split.train), set(split.validation)
    return Split(
        0,
        sum(document in train for document in split.validation),
        sum(document in train or document in validation for document in split.test),
    )


def dedupe(split: Split[list[T]]) -> Split[list[T]]:
    """Remove the documents of validation and test that also occur in an earlier split."""
    train, validation = set(split.train), set(split.validation)
    return Split(
        split.train,
        [document for document in split.validation if document not in train],
        [document for document in split.test if document not in train and document not in validation],
    )
