"""How far rounding alone may bring the loss of a token: measured where a model cannot peek.

A bare prefix of a row is given alone and in a batch of copies, and what is compared are the losses that every token of
the vocabulary would have after it: which one comes stands in neither. The two shapes round otherwise, and nothing else
differs between them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import checked_logits
from zoo.training.reservoir import KeptBatch

ALWAYS_ALLOWED = {"float32": 1e-4, "bfloat16": 2**-8}
"""Nats of a token (relative to those of a token that has more than one) that rounding may always change."""
AT_MOST_ALLOWED = {"float32": 1e-2, "bfloat16": 0.1}
"""The same of a model that is seen to round more."""
MARGIN = 4
"""Times what is measured, for the largest of a few is not the largest of all."""
PREFIXES, COPIES = 8, 8


def coarser_precision(model: SequenceModel, dtype: str) -> str:
    """The coarser of a run's type and of those of the model's own numbers; float16 counts as bfloat16."""
    own = [*model.parameters(), *model.buffers()]
    half = any(tensor.is_floating_point() and tensor.element_size() < 4 for tensor in own)
    return "bfloat16" if half else dtype


def measure_rounding(
    model: SequenceModel, batches: Sequence[KeptBatch], dtype: str, generator: torch.Generator
) -> float:
    """What the loss of a token may change by, as `loss_change` has it; the model is in the mode of the evaluation.

    Nats are measured as they are: where logits are large, those of likely tokens are few and round as much as the rest.
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
    """(B, T) -> (B, V) nats of each token as the next one."""
    return -checked_logits(model, tokens)[:, -1].float().log_softmax(-1)


def loss_change(before: Tensor, now: Tensor) -> Tensor:
    """How much more a loss is now, in nats, or of more than one nat as a share; 0 where both are infinite or nan."""
    before, now = before.double(), now.double()
    same = (before == now) | (before.isnan() & now.isnan())
    return torch.where(same, 0.0, (now - before) / before.clamp(min=1))
