"""Score a batch again with foreign answers beside it: a model that reads its targets follows them.

A task whose perfect model has a loss of 0 cannot be done too well, so no floor shows such a model. Here every target of
a batch is replaced by another token before the model runs; its losses on the true targets must stay what they were. The
true ones are kept by callers further out: a model that searches all of its callers for them is beyond this check.
"""

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import BOUNDARY, IGNORED
from zoo.training.evaluation import compute_checked_logits
from zoo.training.reservoir import KeptBatch


def replace_answers(batch: KeptBatch, vocab_size: int, generator: torch.Generator) -> KeptBatch:
    """Return the batch with another token, not the boundary, in the place of every target."""
    own = batch.targets
    shift = torch.randint(1, max(2, vocab_size - 1), own.shape, generator=generator).to(own.device)
    foreign = (own - 1 + shift) % max(1, vocab_size - 1) + BOUNDARY + 1
    return batch._replace(targets=torch.where(own == IGNORED, IGNORED, foreign))


def run_beside(model: SequenceModel, batch: KeptBatch) -> Tensor:
    """(B, T, V), the logits where only the targets of `batch` are at hand."""
    return compute_checked_logits(model, batch.tokens)
