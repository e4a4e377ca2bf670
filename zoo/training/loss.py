"""The loss, once: cross-entropy in nats per token."""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.tokens import IGNORED


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """(..., V), (...) -> () mean nats over the targets that are not IGNORED, in float32 or what is more precise."""
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(precise.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(B, T, V), (B, T) -> (B, T) nats of every target, in float32; 0 where it is IGNORED."""
    each = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return each.view(targets.shape)
