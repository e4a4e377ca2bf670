"""A model rebuilt for every call, so that no earlier call influences a result."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.conformance.subject import ROUNDING, Subject, compute_logits, relative_difference
from zoo.models.interface import SequenceModel
from zoo.probes.future import mask_future, replace_future


@dataclass(frozen=True)
class FreshModel:
    """A freshly built model and how to call it: dtype, mode, gradients.

    Restoring the weights of a used model would not reset its plain attributes, which could then contradict its buffers.

    Args:
        subject: the model under check.
        dtype: dtype of the weights; None for the most precise one that the model computes in.
        training: whether the model is in training mode.
        gradients: whether calls record gradients.
        prepare: called with the model before each call.
    """

    subject: Subject
    dtype: torch.dtype | None = None
    training: bool = False
    gradients: bool = False
    prepare: Callable[[SequenceModel], object] = lambda model: None

    @property
    def tolerance(self) -> float:
        """Largest relative change of logits that rounding may cause."""
        return ROUNDING[self.dtype or self.subject.precise_dtype]

    def build(self) -> SequenceModel:
        """Build the model, always with the same weights."""
        model = self.subject.build_perturbed(self.dtype).train(self.training)
        self.prepare(model)
        return model

    def __call__(self, tokens: Tensor) -> Tensor:
        """Compute logits with a freshly built model, (B, T) -> (B, T, V)."""
        return compute_logits(self.build(), tokens, gradients=self.gradients)

    def change(self, logits: Tensor, tokens: Tensor, others: Tensor, cuts: Tensor) -> float:
        """Return how much logits up to the cuts change when `others` replace the tokens after the cuts.

        Args:
            logits: (B, T, V), those of `tokens`.
            tokens: (B, T).
            others: (B, T), tokens for the places after the cuts.
            cuts: (B,), the last place of each row that stays.
        """
        return relative_difference(
            mask_future(logits, cuts), mask_future(self(replace_future(tokens, others, cuts)), cuts)
        )
