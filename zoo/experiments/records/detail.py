"""What stands in losses.safetensors beside a loss a document: losses by position, and losses token by token.

`zoo.training.detail` says what the arrays are. Records from before they were kept have none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.experiments.records.reading import read_scores
from zoo.experiments.records.run import LOSSES

DETAILED = ("test",)
"""The splits that have them."""
ARRAYS = (
    *("position.nats", "position.squares", "position.tokens"),
    *("kept.tokens", "kept.targets", "kept.nats"),
)


class ByPosition(NamedTuple):
    """Sums of losses, sums of their squares, and numbers (P,) of the tokens that follow p + 1 tokens of a row."""

    nats: NDArray[np.float64]
    squares: NDArray[np.float64]
    tokens: NDArray[np.int64]


class Kept(NamedTuple):
    """Tokens (M,) and their losses (M,), and how many are of each of the first documents or stretches (R,)."""

    tokens: NDArray[np.int64]
    targets: NDArray[np.uint16]
    nats: NDArray[np.float32]


def detail_names(splits: Iterable[str]) -> set[str]:
    """The names of all arrays of these splits."""
    return {f"{split}.{name}" for split in splits if split in DETAILED for name in ARRAYS}


def read_by_position(run: Path, split: str = "test") -> ByPosition | None:
    """Losses by position, as the run in a directory stored them; None if it has none.

    Raises:
        RunError: they cannot be read, or do not belong together.
    """
    found = _read(run, split, [f"position.{name}" for name in ByPosition._fields])
    return ByPosition(*found) if found else None


def read_kept(run: Path, split: str = "test") -> Kept | None:
    """Losses token by token, as the run in a directory stored them; None if it has none.

    Raises:
        RunError: they cannot be read, or do not belong together.
    """
    found = _read(run, split, [f"kept.{name}" for name in Kept._fields])
    return Kept(*found) if found else None


def _read(run: Path, split: str, names: list[str]) -> list[NDArray[Any]] | None:
    scores = read_scores(run / LOSSES)
    found = [scores.get(f"{split}.{name}") for name in names]
    return None if any(array is None for array in found) else [array for array in found if array is not None]
