"""The training step, the same for every model: forward, backward, clip, update."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.data.rows import Batch
from zoo.models.auxiliary import adds_loss, keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.training.device import autocast
from zoo.training.loss import Losses, cross_entropy
from zoo.training.settings import Settings
from zoo.training.update import Update

Forward = Callable[[SequenceModel, Batch], tuple[Tensor, Tensor | None]]
"""A model and a batch -> logits, and the auxiliary loss if the model adds one."""


class TrainStep:
    """Forward, backward, clip, update of one model; `CapturedStep` and `StackedStep` are alternatives."""

    multiple = 1
    """Packed batches must be filled up to a multiple of this number of positions."""

    def __init__(self, model: SequenceModel, settings: Settings, device: torch.device) -> None:
        self.model = model
        self.update = Update(model, settings.optimizer, weight_decay=settings.weight_decay, clip=settings.clip)
        self.execution = "compiled" if settings.compile else "eager"
        self.compile_seconds = 0.0  # seconds of the first step, if it is compiled
        self._forward: Forward | None = None if settings.compile else outputs_of
        self.precision = lambda: autocast(device, settings.dtype)

    def __call__(self, batch: Batch, lr: float | Tensor) -> Tensor:
        """Make one update; return the loss () before it, on the device, or (2,) with the auxiliary loss."""
        if self._forward is not None:
            return self._step(self._forward, batch, lr)
        began = time.perf_counter()
        self._forward = _compile_forward(dynamic=batch.packing is not None or None)
        loss = self._step(self._forward, batch, lr)
        self.compile_seconds = time.perf_counter() - began
        return loss

    def _step(self, forward: Forward, batch: Batch, lr: float | Tensor) -> Tensor:
        with keep_nothing(self.model):
            with self.precision():
                logits, auxiliary = forward(self.model, batch)
            losses = Losses(cross_entropy(logits, batch.targets), auxiliary)
            losses.total.backward()
        self.update.step(lr)
        return losses.report(auxiliary=adds_loss(self.model))


def training_losses(model: SequenceModel, batch: Batch) -> Losses:
    """Compute the losses of a step at every target of a batch."""
    logits, auxiliary = outputs_of(model, batch)
    return Losses(cross_entropy(logits, batch.targets), auxiliary)


def outputs_of(model: SequenceModel, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Compute the logits as `logits_of`, and the auxiliary loss of the same pass."""
    logits = logits_of(model, batch)
    return logits, read_auxiliary_loss(model)


def logits_of(model: SequenceModel, batch: Batch) -> Tensor:
    """Compute the logits at every target of a batch, (..., V): packed documents, whole rows, or one per window."""
    if batch.packing is not None:
        return model.packed(batch.tokens, batch.packing)
    if batch.targets.shape != batch.tokens.shape:
        return model.last(batch.tokens)
    logits: Tensor = model(batch.tokens)
    return logits


def _compile_forward(*, dynamic: bool | None) -> Forward:
    """Compile `outputs_of` anew: torch keeps only a few compiled versions of a function, too few for many models."""
    torch.compiler.reset()
    return torch.compile(outputs_of, dynamic=dynamic)
