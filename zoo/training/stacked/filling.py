"""Fill packed batches up to one shape, which stacks and captured steps need.

A packed batch has as many positions M as its documents have tokens. It is filled up with its own beginning, as extra
rows whose targets are IGNORED. Loss and gradients stay the same if a model treats rows independently. A BatchNorm still
sees only real positions, but counts some of them twice.
"""

from collections.abc import Sequence

import torch

from zoo.data.rows import Batch
from zoo.packing import Packing
from zoo.tokens import IGNORED


def fill(batch: Batch, total: int) -> Batch:
    """Fill a batch of packed documents up to `total` >= M positions; return whole rows and windows unchanged."""
    if batch.packing is None or total == len(batch.tokens):
        return batch
    again = -(-total // len(batch.tokens))
    targets = batch.targets.new_full((total,), IGNORED)
    targets[: len(batch.targets)] = batch.targets
    return Batch(batch.tokens.repeat(again)[:total], targets, batch.packing.repeat(total))


def round_up(size: int, multiple: int) -> int:
    """Round `size` up to a multiple."""
    return -(-size // multiple) * multiple


def stack_batches(batches: Sequence[Batch], multiple: int = 1) -> Batch:
    """Stack the batches of K replicas: (K, B, T), or (K, M) filled up to the next multiple above the longest."""
    longest = round_up(max(len(batch.tokens) for batch in batches), multiple)
    batches = [fill(batch, longest) for batch in batches]
    tokens = torch.stack([batch.tokens for batch in batches])
    targets = torch.stack([batch.targets for batch in batches])
    packings = [batch.packing for batch in batches if batch.packing is not None]
    if not packings:
        return Batch(tokens, targets)
    rows, length = (max(packing.shape[axis] for packing in packings) for axis in (0, 1))
    position = torch.stack([packing.position for packing in packings])
    row = torch.stack([packing.row for packing in packings])
    every = torch.cat([packing.lengths for packing in packings])
    return Batch(tokens, targets, Packing(position, row, (rows, length), every))
