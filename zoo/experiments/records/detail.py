"""Read the details in losses.safetensors: losses by position, and losses of single tokens.

`zoo.training.detail` describes the arrays. Older records lack them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.experiments.records.reading import read_scores
from zoo.experiments.records.run import LOSSES

DETAILED = ("test",)
"""Splits with details."""
ARRAYS = (
    *("position.nats", "position.squares", "position.tokens"),
    *("kept.tokens", "kept.targets", "kept.nats"),
)


class ByPosition(NamedTuple):
    """Sum of losses, sum of squared losses and number (P,) of the tokens that follow p + 1 tokens of a row."""

    nats: NDArray[np.float64]
    squares: NDArray[np.float64]
    tokens: NDArray[np.int64]


class Kept(NamedTuple):
    """Kept tokens (M,) and their losses (M,); `tokens` (R,) counts those of each of the first documents or segments."""

    tokens: NDArray[np.int64]
    targets: NDArray[np.uint16]
    nats: NDArray[np.float32]


def detail_names(splits: Iterable[str]) -> set[str]:
    """Return the names of all detail arrays of these splits."""
    return {f"{split}.{name}" for split in splits if split in DETAILED for name in ARRAYS}


def read_by_position(run: Path, split: str = "test") -> ByPosition | None:
    """Read the losses by position of the run in a directory; None if it has none.

    Raises:
        RunError: they cannot be read, or are inconsistent.
    """
    found = _read(run, split, [f"position.{name}" for name in ByPosition._fields])
    return ByPosition(*found) if found else None


def read_kept(run: Path, split: str = "test") -> Kept | None:
    """Read the kept losses of single tokens of the run in a directory; None if it has none.

    Raises:
        RunError: they cannot be read, or are inconsistent.
    """
    found = _read(run, split, [f"kept.{name}" for name in Kept._fields])
    return Kept(*found) if found else None


def _read(run: Path, split: str, names: list[str]) -> list[NDArray[Any]] | None:
    scores = read_scores(run / LOSSES)
    found = [scores.get(f"{split}.{name}") for name in names]
    return None if any(array is None for array in found) else [array for array in found if array is not None]
