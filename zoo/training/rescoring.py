"""Rescore a batch with foreign tokens after a cut in each row: losses up to the cut must stay the same."""

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import losses_of
from zoo.training.reservoir import KeptBatch
from zoo.training.rounding import loss_change

FOREIGN_ROWS = 0.25
"""Fraction of rows that are replaced as a whole."""


class CutBatch(NamedTuple):
    """A batch whose rows are cut.

    Attributes:
        batch: the batch as it was scored.
        tokens: (B, T), with foreign tokens after the cuts.
        compared: (B, T), whether the loss of a target must stay the same.
        at: (B, 1), position of the cut, the last compared target of the row.
        own: (B, 1), whether the row keeps its tokens up to the cut; otherwise the whole row is foreign.
    """

    batch: KeptBatch
    tokens: Tensor
    compared: Tensor
    at: Tensor
    own: Tensor


class Rescoring(NamedTuple):
    """Losses of the compared targets before and now, of a whole cut batch or of one of its rows alone.

    Attributes:
        cut: the cut batch.
        again: (B, T), rescored losses of the whole batch.
        before, now: (n,), losses of the compared targets.
        last: (n,), whether the target is at the cut; all False for a row alone.
        row: index of the row that was scored alone; None for a whole batch.
    """

    cut: CutBatch
    again: Tensor
    before: Tensor
    now: Tensor
    last: Tensor
    row: int | None = None

    def differs(self, allowed: float) -> bool:
        """Return whether any loss changed by more than `allowed`."""
        return losses_differ(self.before, self.now, allowed)


def losses_differ(before: Tensor, now: Tensor, allowed: float) -> bool:
    """Return whether any loss changed by more than `allowed`; a new nan counts as a change."""
    return bool((~(loss_change(before, now).abs() <= allowed)).any())


def cut_rows(batch: KeptBatch, vocab_size: int, generator: torch.Generator) -> CutBatch:
    """Cut every row at a random target, and replace a quarter of the rows (never all) as a whole."""
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
    """Rescore a cut batch as a whole."""
    again = losses_of(model, cut.tokens, cut.batch.targets)
    last = (torch.arange(again.shape[1]) == cut.at).to(again.device)
    return Rescoring(cut, again, cut.batch.nats[cut.compared], again[cut.compared], last[cut.compared])


def rescore_row(model: SequenceModel, whole: Rescoring, row: int, way: str) -> Rescoring:
    """Rescore one row of a cut batch alone; `recorded` with gradients, `bare` without the tokens after the cut."""
    cut, end = whole.cut, int(whole.cut.at[row]) + 1
    width = end if way == "bare" else cut.tokens.shape[1]
    with torch.set_grad_enabled(way == "recorded"):
        now = losses_of(model, cut.tokens[row : row + 1, :width], cut.batch.targets[row : row + 1, :width])
    compared = cut.compared[row, :width]
    before, now = cut.batch.nats[row, :width][compared], now[0].detach()[compared]
    return Rescoring(cut, whole.again, before, now, torch.zeros_like(before, dtype=torch.bool), row)
