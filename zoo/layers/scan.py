"""Linear recurrence with elementwise decay: h_t = decay_t · h_{t-1} + write_t, for all t at once.

A loop over the 16 positions of a chunk treats all chunks together, then the same is done with the ends of the chunks.
So 4,096 positions take 48 steps instead of 4,096, and every value is read a few times (a chunked form of the scan of
Blelloch 1990). The gradient is such a recurrence too, from the last position to the first.

    (B, T, ...), (B, T, ...), before (B, ...) -> (B, T, ...)
"""

from typing import Any

import torch
from torch import Tensor

CHUNK = 16
"""Positions of a chunk."""


def scan(decay: Tensor, write: Tensor, before: Tensor) -> Tensor:
    """h_t = decay_t · h_{t-1} + write_t: decay and write (B, T, ...), h before (B, ...) -> h (B, T, ...).

    It computes in the widest dtype of the three.
    """
    kind = torch.promote_types(torch.promote_types(decay.dtype, write.dtype), before.dtype)
    hidden: Tensor = _Scan.apply(decay.to(kind), write.to(kind), before.to(kind))
    return hidden


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(decay: Tensor, write: Tensor, before: Tensor) -> Tensor:
        return _run(decay, write, before)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        decay, _, before = inputs
        ctx.save_for_backward(decay, before, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, before, hidden = ctx.saved_tensors
        later = torch.cat([decay[:, 1:], torch.zeros_like(decay[:, :1])], dim=1).flip(1)
        total: Tensor = _Scan.apply(later, gradient.flip(1), torch.zeros_like(before)).flip(1)
        earlier = torch.cat([before.unsqueeze(1), hidden[:, :-1]], dim=1)
        return total * earlier, total, decay[:, 0] * total[:, 0]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Treat the models of a stack as rows: (K, B, T, ...) -> (K·B, T, ...)."""
        first = [
            part.expand(info.batch_size, *part.shape) if dim is None else part.movedim(dim, 0)
            for part, dim in zip(inputs, in_dims, strict=True)
        ]
        hidden: Tensor = _Scan.apply(*(part.flatten(0, 1) for part in first))
        return hidden.unflatten(0, (info.batch_size, -1)), 0


def _run(decay: Tensor, write: Tensor, before: Tensor) -> Tensor:
    """The recurrence, by chunks and then by chunks of chunks."""
    whole = decay.shape[1] // CHUNK * CHUNK
    if whole == 0 or whole == CHUNK == decay.shape[1]:
        hidden = write.clone()
        hidden[:, 0].addcmul_(decay[:, 0], before)
        for t in range(1, decay.shape[1]):
            hidden[:, t].addcmul_(decay[:, t], hidden[:, t - 1])
        return hidden
    if whole < decay.shape[1]:
        first = _run(decay[:, :whole], write[:, :whole], before)
        return torch.cat([first, _run(decay[:, whole:], write[:, whole:], first[:, -1])], dim=1)
    decay, hidden = (part.unflatten(1, (-1, CHUNK)) for part in (decay, write.clone()))
    kept = decay.clone()
    for t in range(1, CHUNK):
        hidden[:, :, t].addcmul_(decay[:, :, t], hidden[:, :, t - 1])
        kept[:, :, t].mul_(kept[:, :, t - 1])
    ends = _run(kept[:, :, -1], hidden[:, :, -1], before)
    carried = torch.cat([before.unsqueeze(1), ends[:, :-1]], dim=1).unsqueeze(2)
    return hidden.addcmul_(kept, carried).flatten(1, 2)
