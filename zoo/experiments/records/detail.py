"""What stands in losses.safetensors beside a loss a document: losses by position, and losses token by token.

`zoo.training.detail` says what the arrays are. Records from before they were kept have none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from zoo.errors import RunError
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
    if not found:
        return None
    nats, squares, tokens = found
    sound = len({part.shape for part in found}) == 1 and tokens.ndim == 1 and _are_counts(tokens) and tokens.sum() > 0
    if not sound or not (np.isfinite(nats).all() and np.isfinite(squares).all()):
        raise RunError(f"The losses by position of '{run}' are damaged.")
    return ByPosition(nats.astype(np.float64), squares.astype(np.float64), tokens)


def read_kept(run: Path, split: str = "test") -> Kept | None:
    """Losses token by token, as the run in a directory stored them; None if it has none.

    Raises:
        RunError: they cannot be read, or do not belong together.
    """
    found = _read(run, split, [f"kept.{name}" for name in Kept._fields])
    if not found:
        return None
    tokens, targets, nats = found
    sound = tokens.ndim == targets.ndim == 1 and targets.shape == nats.shape and targets.dtype.kind == "u"
    if not sound or not _are_counts(tokens) or tokens.sum() != len(targets) or not np.isfinite(nats).all():
        raise RunError(f"The losses of the tokens of '{run}' are damaged.")
    return Kept(tokens, targets, nats)


def _are_counts(tokens: NDArray[Any]) -> bool:
    return tokens.dtype.kind == "i" and bool((tokens >= 0).all())


def _read(run: Path, split: str, names: list[str]) -> list[NDArray[Any]] | None:
    try:
        with safe_open(run / LOSSES, framework="numpy") as file:
            if not {f"{split}.{name}" for name in names} <= set(file.keys()):
                return None
            return [file.get_tensor(f"{split}.{name}") for name in names]
    except (OSError, SafetensorError) as error:
        raise RunError(f"The losses of '{run}' cannot be read: {error}") from None
