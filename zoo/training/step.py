"""The training step, the same for every model: forward, backward, clip, update."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from zoo.data.rows import Batch
from zoo.models.interface import SequenceModel
from zoo.training.device import autocast
from zoo.training.loss import cross_entropy
from zoo.training.settings import Settings
from zoo.training.update import Update

Forward = Callable[[SequenceModel, Batch], Tensor]


class TrainStep:
    """Forward, backward, clip, update of one model; `CapturedStep` and `StackedStep` are alternatives."""

    multiple = 1
    """Packed batches must be filled up to a multiple of this number of positions."""

    def __init__(self, model: SequenceModel, settings: Settings, device: torch.device) -> None:
        self.model = model
        self.update = Update(model, settings.optimizer, weight_decay=settings.weight_decay, clip=settings.clip)
        self.execution = "compiled" if settings.compile else "eager"
        self.compile_seconds = 0.0  # seconds of the first step, if it is compiled
        self._logits: Forward | None = None if settings.compile else logits_of
        self.precision = lambda: autocast(device, settings.dtype)

    def __call__(self, batch: Batch, lr: float | Tensor) -> Tensor:
        """Make one update; return the loss () before it, on the device."""
        if self._logits is not None:
            return self._step(self._logits, batch, lr)
        began = time.perf_counter()
        self._logits = _compile_forward(dynamic=batch.packing is not None or None)
        loss = self._step(self._logits, batch, lr)
        self.compile_seconds = time.perf_counter() - began
        return loss

    def _step(self, forward: Forward, batch: Batch, lr: float | Tensor) -> Tensor:
        with self.precision():
            logits = forward(self.model, batch)
        loss = cross_entropy(logits, batch.targets)
        loss.backward()
        self.update.step(lr)
        return loss.detach()


def logits_of(model: SequenceModel, batch: Batch) -> Tensor:
    """Compute the logits at every target of a batch, (..., V): packed documents, whole rows, or one per window."""
    if batch.packing is not None:
        return model.packed(batch.tokens, batch.packing)
    if batch.targets.shape != batch.tokens.shape:
        return model.last(batch.tokens)
    logits: Tensor = model(batch.tokens)
    return logits


def _compile_forward(*, dynamic: bool | None) -> Forward:
    """Compile `logits_of` anew: torch keeps only a few compiled versions of a function, too few for many models."""
    torch.compiler.reset()
    return torch.compile(logits_of, dynamic=dynamic)
