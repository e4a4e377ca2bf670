"""Batches of one shape: what a stack of replicas and a captured step need, and packed documents do not have.

A packed batch has as many positions M as its documents have tokens. It is filled up by its own beginning, as extra
rows whose targets are IGNORED: the loss and the gradients of a model that looks at rows one by one stay what they
were, and a BatchNorm's statistics stay those of real positions, a few of them counted twice.
"""

from collections.abc import Sequence

import torch

from zoo.data.rows import Batch
from zoo.packing import Packing
from zoo.tokens import IGNORED


def fill(batch: Batch, total: int) -> Batch:
    """A batch of documents with `total` >= M positions; one of whole rows or windows as it is."""
    if batch.packing is None or total == len(batch.tokens):
        return batch
    again = -(-total // len(batch.tokens))
    targets = batch.targets.new_full((total,), IGNORED)
    targets[: len(batch.targets)] = batch.targets
    return Batch(batch.tokens.repeat(again)[:total], targets, batch.packing.repeated(total))


def round_up(size: int, multiple: int) -> int:
    """The next multiple."""
    return -(-size // multiple) * multiple


def stack_batches(batches: Sequence[Batch], multiple: int = 1) -> Batch:
    """The batches of K replicas as one, every tensor with K in front.

    (K, B, T); or (K, M), filled up to the longest, and that to a multiple.
    """
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
