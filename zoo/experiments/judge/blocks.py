"""Calculate with more numbers than fit in memory: by parts, and in a file."""

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MOST = 1 << 23
"""Numbers of a part: 64 MB. What has fewer is calculated as a whole."""
MOST_HELD = 1 << 25
"""Numbers of the largest array that is held in memory: 256 MB."""


def split(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers, each of at most `MOST` numbers, or of one row."""
    rows = max(1, MOST // max(width, 1))
    return (slice(start, min(start + rows, count)) for start in range(0, max(count, 1), rows))


def make_array(*shape: int) -> NDArray[np.float64]:
    """Make an array to fill; a large one is in a temporary file without a name, and the system frees its memory."""
    if np.prod(shape) <= MOST_HELD:
        return np.empty(shape)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float64, mode="w+", shape=shape)
