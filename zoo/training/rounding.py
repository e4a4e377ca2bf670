"""Measure how much rounding changes the loss of a token, on inputs that do not contain the target.

A prefix of a row is scored alone and in a batch of copies, and the losses of all V possible next tokens are compared.
The true next token is in neither input, and the two shapes differ only in rounding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import compute_checked_logits
from zoo.training.reservoir import KeptBatch

ALWAYS_ALLOWED = {"float32": 1e-4, "bfloat16": 2**-8}
"""Change of a token's loss that always counts as rounding: nats, or a fraction of a loss above one nat."""
AT_MOST_ALLOWED = {"float32": 1e-2, "bfloat16": 0.1}
"""Maximum change that counts as rounding for a model that rounds more."""
MARGIN = 4
"""Factor on the largest measured change, because a small sample underestimates the maximum."""
PREFIXES, COPIES = 8, 8
"""Number of measured prefixes; number of rows in a batch of copies."""


def coarser_precision(model: SequenceModel, dtype: str) -> str:
    """Return the coarser of a run's dtype and those of the model's tensors; float16 counts as bfloat16."""
    own = [*model.parameters(), *model.buffers()]
    half = any(tensor.is_floating_point() and tensor.element_size() < 4 for tensor in own)
    return "bfloat16" if half else dtype


def measure_rounding(
    model: SequenceModel, batches: Sequence[KeptBatch], dtype: str, generator: torch.Generator
) -> float:
    """Return how much rounding may change the loss of a token, as measured by `loss_change`.

    The model must be in the mode of the evaluation. The measurement is absolute, in nats, because where logits are
    large, likely tokens have a small loss but round as much as the others.
    """
    largest = 0.0
    for number in range(PREFIXES):
        batch = batches[number % len(batches)]
        row = int(torch.randint(len(batch.tokens), (), generator=generator))
        scored = (batch.targets[row] != IGNORED).cpu()
        end = int(torch.multinomial(scored.float(), 1, generator=generator)) + 1
        prefix = batch.tokens[row : row + 1, :end]
        alone, together = _losses_after(model, prefix), _losses_after(model, prefix.expand(COPIES, -1))
        largest = max(largest, float((together - alone).abs().max()))
    return max(ALWAYS_ALLOWED[dtype], min(MARGIN * largest, AT_MOST_ALLOWED[dtype]))


def _losses_after(model: SequenceModel, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, V), the nats of each possible next token."""
    return -compute_checked_logits(model, tokens)[:, -1].float().log_softmax(-1)


def loss_change(before: Tensor, now: Tensor) -> Tensor:
    """Return the change in nats, or as a fraction of a loss above one nat; 0 where both are equal or both nan."""
    before, now = before.double(), now.double()
    same = (before == now) | (before.isnan() & now.isnan())
    return torch.where(same, 0.0, (now - before) / before.clamp(min=1))
