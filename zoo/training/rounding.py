"""How much rounding alone changes the loss of a token, measured where a model cannot peek.

A prefix of a row is scored alone and in a batch of copies. The losses of every token of the vocabulary after it are
compared: the true next token is in neither input. The two shapes differ in rounding and in nothing else.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import compute_checked_logits
from zoo.training.reservoir import KeptBatch

ALWAYS_ALLOWED = {"float32": 1e-4, "bfloat16": 2**-8}
"""Change of a token's loss that is always put down to rounding: nats, or a share of a loss of more than one nat."""
AT_MOST_ALLOWED = {"float32": 1e-2, "bfloat16": 0.1}
"""The most that is allowed to a model that rounds more."""
MARGIN = 4
"""Factor on the largest measured change: the largest of a few is less than the largest of all."""
PREFIXES, COPIES = 8, 8
"""Prefixes that are measured, and rows of the batch of copies."""


def coarser_precision(model: SequenceModel, dtype: str) -> str:
    """The coarser of a run's type and the types of the model's own tensors; float16 counts as bfloat16."""
    own = [*model.parameters(), *model.buffers()]
    half = any(tensor.is_floating_point() and tensor.element_size() < 4 for tensor in own)
    return "bfloat16" if half else dtype


def measure_rounding(
    model: SequenceModel, batches: Sequence[KeptBatch], dtype: str, generator: torch.Generator
) -> float:
    """How much rounding may change the loss of a token, as `loss_change`; the model is in the mode of the evaluation.

    Changes are measured in nats, not relative: where logits are large, likely tokens have a small loss and round as
    much as the rest.
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
    return -compute_checked_logits(model, tokens)[:, -1].float().log_softmax(-1)


def loss_change(before: Tensor, now: Tensor) -> Tensor:
    """Change from `before` to `now`: in nats, or as a share of a loss of more than one nat; 0 where both are infinite
    or nan."""
    before, now = before.double(), now.double()
    same = (before == now) | (before.isnan() & now.isnan())
    return torch.where(same, 0.0, (now - before) / before.clamp(min=1))
