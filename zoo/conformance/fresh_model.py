"""A model that is built afresh for every call, so that no earlier call can influence a result."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.conformance.subject import ROUNDING, Subject, compute_logits, relative_difference
from zoo.models.interface import SequenceModel
from zoo.probes.future import mask_future, replace_future


@dataclass(frozen=True)
class FreshModel:
    """One way to call a freshly built model: type, mode, gradients.

    Restoring the weights of a used model is not enough: its plain attributes would stay and no longer fit its buffers.

    Args:
        subject: the model under check.
        dtype: of the weights; None for the most precise that the model can compute in.
        training: whether it is in training mode.
        gradients: whether gradients are recorded.
        prepare: called with the model before the call.
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
        """Build the model, with the same weights every time."""
        model = self.subject.build_perturbed(self.dtype).train(self.training)
        self.prepare(model)
        return model

    def __call__(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V) logits of a freshly built model."""
        return compute_logits(self.build(), tokens, gradients=self.gradients)

    def change(self, logits: Tensor, tokens: Tensor, others: Tensor, cuts: Tensor) -> float:
        """Relative change of the `logits` (B, T, V) of `tokens` up to the cuts (B,) with `others` after the cuts."""
        return relative_difference(
            mask_future(logits, cuts), mask_future(self(replace_future(tokens, others, cuts)), cuts)
        )
