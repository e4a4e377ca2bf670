"""Batch normalisation of channels-last tensors with any number of leading axes (Ioffe & Szegedy 2015).

The lecture's first version reduced over the batch axis alone, so a (B, T, C) input had statistics per position: it ran,
but trained a little worse. `per_position` keeps that version for a study that shows its cost.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """(..., C) -> (..., C): every channel normalised over all other axes, then scaled and shifted.

    Args:
        channels: C.
        per_position: None, or the length L of the last-but-one axis, whose positions are then normalised separately.
        momentum: weight of the new batch in the running statistics.
        eps: added to the variance.

    As in torch.nn.BatchNorm1d, training mode normalises by the batch with its biased variance and moves the running
    statistics towards the batch, with its unbiased variance; evaluation mode normalises by the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self, channels: int, *, per_position: int | None = None, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.channels, self.per_position, self.momentum, self.eps = channels, per_position, momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        statistics = (channels,) if per_position is None else (per_position, channels)
        self.register_buffer("running_mean", torch.zeros(statistics))
        self.register_buffer("running_var", torch.ones(statistics))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C).

        Raises:
            ValueError: the last axis is not C (or, per position, the one before it is not L); or a training batch has
                a single value per channel, which has no variance.
        """
        expected = tuple(self.running_mean.shape)
        if tuple(x.shape[-len(expected) :]) != expected:
            raise ValueError(f"BatchNorm expects an input that ends in {expected}, got shape {tuple(x.shape)}")
        positions = self.per_position or 1
        # views, so that batch_norm updates the statistics in place; x takes their dtype, because vmap cannot mix dtypes
        flat = F.batch_norm(
            x.reshape(-1, self.running_mean.numel()).to(self.running_mean.dtype),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.repeat(positions) if positions > 1 else self.weight,
            self.bias.repeat(positions) if positions > 1 else self.bias,
            self.training,
            self.momentum,
            self.eps,
        )
        return flat.reshape(x.shape).to(x.dtype)

    def extra_repr(self) -> str:
        positions = "" if self.per_position is None else f", per_position={self.per_position}"
        return f"{self.channels}{positions}"
