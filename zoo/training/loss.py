"""Cross-entropy in nats per token, the loss of training and evaluation, and what a model adds to it in training."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.errors import RunError
from zoo.tokens import IGNORED


class Losses(NamedTuple):
    """The losses of a training step: () of one model, (K,) of a stack."""

    cross_entropy: Tensor
    auxiliary: Tensor | None = None
    """The model's `auxiliary_loss()`; None if it adds none."""

    @property
    def total(self) -> Tensor:
        """The loss whose gradient is taken."""
        return self.cross_entropy if self.auxiliary is None else self.cross_entropy + self.auxiliary

    def report(self, *, auxiliary: bool) -> Tensor:
        """Return the cross-entropy without a graph, or (..., 2) with the auxiliary loss, 0 where there is none."""
        loss = self.cross_entropy.detach()
        if not auxiliary:
            return loss
        added = torch.zeros_like(loss) if self.auxiliary is None else self.auxiliary.detach().to(loss.dtype)
        return torch.stack([loss, added], dim=-1)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """(..., V), (...) -> () mean nats over the targets that are not IGNORED, in float32 or the logits' wider dtype."""
    logits = plain_tensor(logits)
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(precise.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """(B, T, V), (B, T) -> (B, T), the nats of every target in float32; 0 where it is IGNORED."""
    each = plain_tensor(logits).flatten(0, 1).float()
    losses = F.cross_entropy(each, targets.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.view(targets.shape)


def plain_tensor(logits: Tensor) -> Tensor:
    """Convert logits of a tensor subclass, which could redefine torch functions such as the loss, to a plain tensor.

    Raises:
        RunError: the subclass has its own `__torch_dispatch__`, so its values are not plain memory.
    """
    if type(logits) is Tensor:
        return logits
    if type(logits).__torch_dispatch__ is not Tensor.__torch_dispatch__:
        raise RunError(
            f"Logits are of type {type(logits).__name__}, which computes in its own way: return a torch.Tensor."
        )
    with torch._C.DisableTorchFunctionSubclass():
        return Tensor.as_subclass(logits, Tensor)
