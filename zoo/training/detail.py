"""Details of an evaluation: losses by position, and losses of single tokens.

position.nats, position.squares, position.tokens    (P,) sum of losses, sum of squared losses and number of the tokens
                                                    that follow p + 1 tokens of a row, over all rows (the boundary
                                                    that opens a document is one of the p + 1)
kept.tokens                                         (R,) number of kept tokens of each of the first R documents, or
                                                    segments of a stream
kept.targets, kept.nats                             (M,) the kept tokens and their losses, in order of documents
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.rows import Rows, ScoredBatch
from zoo.tokens import IGNORED

POSITIONS = 4096
"""Number of positions, from the start of a row, whose losses are summed."""
KEPT = 1 << 16
"""Maximum number of kept tokens of a split: enough for 9,000 names, 0.4 MB."""
KEPT_OF_A_ROW = 1024
"""Maximum number of kept tokens of one document, so that a few long ones do not use up `KEPT`."""


class Detail:
    """Sum the losses of a split by position, and keep those of its first tokens.

    The documents of a split are in random order, so the first ones are a random sample; of a stream they are one
    passage. The choice depends only on the split: all models keep losses of the same tokens.
    """

    def __init__(self, rows: Rows) -> None:
        self._sums = torch.zeros(3, POSITIONS, dtype=torch.float64, device=rows.device)
        ends = np.minimum(rows.count_targets(KEPT), KEPT_OF_A_ROW).cumsum()
        self._kept = int(np.searchsorted(ends, KEPT, side="right")) // rows.rows_per_score
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float32]]] = []

    def add(self, batch: ScoredBatch, nats: Tensor) -> None:
        """Add a batch and the losses (B, T) of all following tokens, including those that another row scores."""
        width = min(nats.shape[1], POSITIONS)
        each, known = nats[:, :width].double(), batch.following[:, :width] != IGNORED
        self._sums[:, :width] += torch.stack([each.sum(0), each.square().sum(0), known.sum(0)])
        rows = torch.from_numpy(np.flatnonzero(batch.row < self._kept)).to(nats.device)
        if not len(rows):
            return
        targets = batch.targets[rows]
        scored = targets != IGNORED
        scored &= scored.cumsum(1) <= KEPT_OF_A_ROW
        numbers = torch.from_numpy(batch.row).to(nats.device)[rows, None].expand_as(targets)
        found = (part[scored].cpu().numpy() for part in (numbers, targets, nats[rows]))
        number, target, loss = found
        self._parts.append((number, target.astype(np.uint16), loss.astype(np.float32)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the module's docstring by name."""
        nats, squares, tokens = self._sums.cpu().numpy()
        end = int(np.flatnonzero(tokens)[-1]) + 1
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.uint16), np.zeros(0, np.float32))
        numbers, targets, losses = (np.concatenate(parts) for parts in zip(nothing, *self._parts, strict=True))
        order = np.argsort(numbers, kind="stable")  # evaluation sorts documents by length
        return {
            "position.nats": nats[:end],
            "position.squares": squares[:end],
            "position.tokens": tokens[:end].astype(np.int64),
            "kept.tokens": np.bincount(numbers, minlength=self._kept),
            "kept.targets": targets[order],
            "kept.nats": losses[order],
        }
