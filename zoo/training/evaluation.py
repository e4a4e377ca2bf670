"""Compute the loss of a model on a split: every token once, all with equal weight."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.rows import Rows
from zoo.errors import RunError
from zoo.models.interface import SequenceModel
from zoo.surroundings import own_random_numbers
from zoo.tokens import IGNORED
from zoo.training.detail import Detail
from zoo.training.device import autocast
from zoo.training.loss import plain_tensor, token_losses
from zoo.training.reservoir import Reservoir

MAX_TOKENS = 4096
"""Positions of an evaluation batch: fits a CPU's cache, fills a GPU. It does not affect results."""


@dataclass(frozen=True)
class Score:
    """Losses of one split.

    Args:
        nats: (rows,) summed loss of each document or segment of a stream; in very large splits, of several neighbours.
        tokens: (rows,) number of targets of each row.
        right: (rows,) number of targets that are the likeliest token; None where rows have no answers.
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.int64]
    right: NDArray[np.int64] | None = None

    @property
    def loss(self) -> float:
        """Nats per token over the split."""
        return float(self.nats.sum() / self.tokens.sum())

    @property
    def accuracy(self) -> float | None:
        """Share of the targets that are right."""
        return None if self.right is None else float(self.right.sum() / self.tokens.sum())

    @property
    def answers(self) -> float | None:
        """Share of the rows of which every target is right."""
        return None if self.right is None else float((self.right == self.tokens).mean())


def evaluate(
    model: SequenceModel,
    rows: Rows,
    *,
    device: torch.device,
    dtype: str = "float32",
    max_tokens: int = MAX_TOKENS,
    reservoir: Reservoir | None = None,
    detail: Detail | None = None,
) -> Score:
    """Score every token of `rows` exactly once, in evaluation mode; restore mode and random numbers.

    Args:
        max_tokens: maximum number of positions of a batch.
        reservoir: receives every batch with the losses of its targets.
        detail: receives every batch with the losses of all following tokens, including those another row scores.

    Raises:
        RunError: as `losses_of`.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    nats = torch.zeros(rows.count, dtype=torch.float64, device=device)
    tokens = torch.zeros(rows.count, dtype=torch.long, device=device)
    right = torch.zeros_like(tokens) if rows.has_answers else None
    try:
        with torch.no_grad(), own_random_numbers(device), autocast(device, dtype):
            for batch in rows.evaluation_batches(max_tokens):
                row = torch.from_numpy(batch.row).to(device)
                logits = compute_checked_logits(model, batch.tokens)
                losses = token_losses(logits, batch.following if detail else batch.targets)
                if right is not None:
                    right.index_add_(0, row, (logits.argmax(dim=-1) == batch.targets).sum(dim=1))
                if detail is not None:
                    detail.add(batch, losses)
                    losses = losses.masked_fill(batch.targets == IGNORED, 0.0)
                nats.index_add_(0, row, losses.double().sum(dim=1))
                if reservoir is not None:
                    reservoir.add(batch, losses)
                tokens.index_add_(0, row, (batch.targets != IGNORED).sum(dim=1))
    finally:
        for module, training in modes.items():
            module.training = training
    return Score(nats.cpu().numpy(), tokens.cpu().numpy(), None if right is None else right.cpu().numpy())


def losses_of(model: SequenceModel, tokens: Tensor, targets: Tensor) -> Tensor:
    """(B, T), (B, T) -> (B, T), the nats of every target; 0 where it is IGNORED.

    Raises:
        RunError: as `compute_checked_logits`.
    """
    return token_losses(compute_checked_logits(model, tokens), targets)


def compute_checked_logits(model: SequenceModel, tokens: Tensor) -> Tensor:
    """Compute logits, (B, T) -> (B, T, V), as a plain tensor.

    Raises:
        RunError: the model does not return logits of that shape.
    """
    logits = model(tokens.clone())  # a model may write into its tokens
    who = f"Model '{type(model).__name__}'"
    if not isinstance(logits, Tensor):
        raise RunError(f"{who} returns a {type(logits).__name__} in evaluation, not logits: a tensor (B, T, V).")
    logits, expected = plain_tensor(logits), (*tokens.shape, model.vocab_size)
    if logits.shape != expected:
        raise RunError(
            f"{who} gives logits of shape {tuple(logits.shape)} in evaluation for tokens of shape "
            f"{tuple(tokens.shape)}; they must be (B, T, V), here {expected}."
        )
    return logits
