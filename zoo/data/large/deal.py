"""Deal the documents of a large text to its splits, without moving them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.config import DataConfig
from zoo.data.large.permutation import BLOCK, STORED, Permutation
from zoo.data.splits import SPLITS, shuffle_numbers, split_points

Deal = Callable[[int, int], NDArray[np.uint8]]
"""(first, last) -> split (0, 1, 2) of each of the documents first to last - 1."""

MARKED = 1 << 29
"""Maximum documents whose splits are held in memory, one byte each."""


def deal(count: int, config: DataConfig, directory: Path) -> Deal:
    """Deal `count` documents to the splits; for up to STORED documents, also write their shuffled order to files."""
    first, second = split_points(count, config.shares)
    if count <= STORED:
        return _deal_shuffled(count, (first, second), config.split_seed, directory)
    permutation = Permutation(count, config.split_seed)
    if count > MARKED:
        return lambda a, b: np.searchsorted((first, second), permutation.inverse(np.arange(a, b)), side="right").astype(
            np.uint8
        )
    splits = np.zeros(count, np.uint8)
    for split, (begin, end) in enumerate(((first, second), (second, count)), 1):
        for place in range(begin, end, BLOCK):
            splits[permutation(np.arange(place, min(place + BLOCK, end)))] = split
    return lambda a, b: splits[a:b]


def _deal_shuffled(count: int, ends: tuple[int, int], seed: int, directory: Path) -> Deal:
    splits = np.empty(count, np.uint8)
    parts = np.split(shuffle_numbers(count, seed), ends)
    for split, part in enumerate(parts):
        splits[part] = split
    for split, part in enumerate(parts):
        place = np.cumsum(splits == split, dtype=np.int32) - 1  # index of each document in its split
        (directory / SPLITS[split] / "order").write_bytes(place[part].tobytes())
    return lambda a, b: splits[a:b]
