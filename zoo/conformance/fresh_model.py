"""Calls of a model that is built afresh for each: nothing that an earlier call left behind explains what they show."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.conformance.subject import ROUNDING, Subject, compute_logits, relative_difference
from zoo.models.interface import SequenceModel
from zoo.probes.future import mask_future, replace_future


@dataclass(frozen=True)
class FreshModel:
    """One way to call a model.

    Putting a used model back would not do: what it keeps as plain attributes would stay, and no longer fit its buffers.

    Args:
        subject: whose model it is.
        dtype: of the weights; None for as precise as the model can be.
        training: in training mode.
        gradients: recorded.
        prepare: what is done to the model before the call.
    """

    subject: Subject
    dtype: torch.dtype | None = None
    training: bool = False
    gradients: bool = False
    prepare: Callable[[SequenceModel], object] = lambda model: None

    @property
    def tolerance(self) -> float:
        return ROUNDING[self.dtype or self.subject.precise_dtype]

    def build(self) -> SequenceModel:
        """The same one every time."""
        model = self.subject.build_perturbed(self.dtype).train(self.training)
        self.prepare(model)
        return model

    def __call__(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return compute_logits(self.build(), tokens, gradients=self.gradients)

    def change(self, logits: Tensor, tokens: Tensor, others: Tensor, cuts: Tensor) -> float:
        """How much the `logits` (B, T, V) of `tokens` up to the cuts (B,) change with `others` after them, relative."""
        return relative_difference(
            mask_future(logits, cuts), mask_future(self(replace_future(tokens, others, cuts)), cuts)
        )
