"""Write the tokens of one split to the files that `Tokens.map_files` maps."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.tokens import BOUNDARY


class Writer:
    """Write `tokens` and `starts` of one split; first of all comes `end`, a boundary token."""

    def __init__(self, directory: Path, dtype: np.dtype[Any]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._flat, self._starts = (directory / "tokens").open("wb"), (directory / "starts").open("wb")
        self._boundary = np.full(1, BOUNDARY, dtype)
        self._length, self._last = 0, 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        with self._flat, self._starts:  # closes both even if one fails
            pass

    def add(self, tokens: NDArray[Any]) -> None:
        """Append (T,) tokens."""
        self._flat.write(np.ascontiguousarray(tokens).data)
        self._length += len(tokens)

    def end_documents(self, lengths: NDArray[np.int64]) -> None:
        """Note the ends of the documents that were added last, from their numbers of tokens with the boundary."""
        ends = np.cumsum(lengths)
        ends += self._last
        self._starts.write(ends.data)
        self._last = int(ends[-1]) if len(ends) else self._last

    def end(self) -> None:
        """Append a boundary token, the end of all tokens since the last document."""
        self.add(self._boundary)
        self.end_documents(np.array([self._length - 1 - self._last]))
