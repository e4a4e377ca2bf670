"""Rows of a batch that are cut, with foreign tokens after the cut, and the losses that must stay as they were."""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import losses_of
from zoo.training.reservoir import KeptBatch
from zoo.training.rounding import loss_change

FOREIGN_ROWS = 0.25


class CutBatch(NamedTuple):
    """A batch, cut: `tokens` (B, T) with what is foreign, and `compared` (B, T), the targets whose losses must stay.

    `at` (B, 1) is the last of these in each row, `own` (B, 1) tells the rows that are not foreign as a whole.
    """

    batch: KeptBatch
    tokens: Tensor
    compared: Tensor
    at: Tensor
    own: Tensor


class Rescoring(NamedTuple):
    """Losses (n,) before and now, and whether each is that of the target at a cut.

    Of a whole batch that was cut and came to `again` (B, T), or of one `row` of it alone.
    """

    cut: CutBatch
    again: Tensor
    before: Tensor
    now: Tensor
    last: Tensor
    row: int | None = None

    def differs(self, allowed: float) -> bool:
        """Whether any loss differs by more than is allowed."""
        return losses_differ(self.before, self.now, allowed)


def losses_differ(before: Tensor, now: Tensor, allowed: float) -> bool:
    """Whether any loss differs by more than is allowed; nan does."""
    return bool((~(loss_change(before, now).abs() <= allowed)).any())


def cut_rows(batch: KeptBatch, vocab_size: int, generator: torch.Generator) -> CutBatch:
    """Every row cut at a random target; a quarter of the rows, but not all, foreign as a whole."""
    device, (B, T) = batch.tokens.device, batch.tokens.shape  # noqa: N806
    scored = (batch.targets != IGNORED).cpu()
    at = torch.multinomial(scored.float(), 1, generator=generator)
    own = torch.rand(B, 1, generator=generator) >= FOREIGN_ROWS
    own[torch.randint(B, (), generator=generator)] = True
    kept = own & (torch.arange(T) <= at)
    other = torch.randint(1, max(2, vocab_size), (B, T), generator=generator).to(device)
    foreign = (batch.tokens + other) % vocab_size
    tokens = torch.where(kept.to(device), batch.tokens, foreign)
    return CutBatch(batch, tokens, (kept & scored).to(device), at, own)


def rescore_batch(model: SequenceModel, cut: CutBatch) -> Rescoring:
    """A cut batch, scored again as it is."""
    again = losses_of(model, cut.tokens, cut.batch.targets)
    last = (torch.arange(again.shape[1]) == cut.at).to(again.device)
    return Rescoring(cut, again, cut.batch.nats[cut.compared], again[cut.compared], last[cut.compared])


def rescore_row(model: SequenceModel, whole: Rescoring, row: int, way: str) -> Rescoring:
    """A row of a cut batch in a batch of its own; `recorded`: with gradients; `bare`: with nothing after the cut."""
    cut, end = whole.cut, int(whole.cut.at[row]) + 1
    width = end if way == "bare" else cut.tokens.shape[1]
    with torch.set_grad_enabled(way == "recorded"):
        now = losses_of(model, cut.tokens[row : row + 1, :width], cut.batch.targets[row : row + 1, :width])
    compared = cut.compared[row, :width]
    before, now = cut.batch.nats[row, :width][compared], now[0].detach()[compared]
    return Rescoring(cut, whole.again, before, now, torch.zeros_like(before, dtype=torch.bool), row)
