"""Are the scores of an evaluation reproduced where a model cannot peek?

An evaluation hands whole rows to a model, their targets among them, and takes its word that logits at t depend on the
tokens up to t alone. Here some of those rows are scored again by the same weights in a model built afresh. Each row is
cut at a random target: every token after the cut is replaced by a foreign one, and so is a quarter of the rows as a
whole. Losses up to the cut can only come out as before if they owed nothing to what was replaced. A few rows are
scored alone too: the cut row, the same with gradients recorded, and nothing but the tokens up to the cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.device import autocast, isolated
from zoo.training.kept import KeptBatch
from zoo.training.loss import token_losses

CUTS = 200
"""Rows that are cut and scored again, at the least."""
ROUNDS = 200
"""Times that a batch is cut, at the most: a split of a few rows is cut elsewhere every time."""
ALONE = 36
"""Cut rows that are scored alone too."""
FOREIGN_ROWS = 0.25
NEAR = {"float32": 1e-4, "bfloat16": 2**-8}
"""Nats of a token (relative to those of a token that has more than one) that rounding may change."""
MOST = {"float32": 1e-4, "bfloat16": 0.1}
"""The same where two shapes of one batch are seen to round otherwise by more than NEAR."""
MARGIN = 4
"""Times the difference between two shapes, for the largest of a few is not the largest of all."""

LOOKED_AT = 8
"""Rows with other losses that are cut one by one, to tell why."""

NOT_AGAIN = (
    "the same tokens score otherwise the next time: the model draws random numbers in evaluation mode, or keeps "
    "something from one call to the next"
)
LATER = "they change with tokens that come later: the model looks ahead"
OTHERS = "they change with the other rows of the batch"
ALONE_WAYS = {
    "alone": "they change when a row is alone in its batch",
    "recorded": "they change when gradients are recorded",
    "bare": "they change when nothing stands after the token that is scored",
}


class Disagreement(NamedTuple):
    """Losses that did not come out again: how many tokens, their mean in nats before and now, and why."""

    tokens: int
    recorded: float
    again: float
    why: str


@dataclass(frozen=True)
class Reproduction:
    """How many cuts and tokens were scored again, how far apart a loss was (nats), and what did not agree."""

    cuts: int = 0
    tokens: int = 0
    apart: float = 0.0
    disagreement: Disagreement | None = None


class _Cut(NamedTuple):
    """A batch, cut: `tokens` (B, T) with what is foreign, and `compared` (B, T), the targets whose losses must stay.

    `at` (B, 1) is the last of these in each row, `own` (B, 1) tells the rows that are not foreign as a whole.
    """

    batch: KeptBatch
    tokens: Tensor
    compared: Tensor
    at: Tensor
    own: Tensor


def reproduce(
    model: SequenceModel, kept: Sequence[KeptBatch], *, device: torch.device, dtype: str = "float32", seed: int = 0
) -> Reproduction:
    """Score batches of an evaluation again, cut, until enough of them are or one disagrees.

    Args:
        model: on the device, with the weights that scored the batches; it has computed nothing before.
        dtype: that of the evaluation. In bfloat16 losses may differ by what two shapes of a batch do.
        seed: of the cuts and the foreign tokens.
    """
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    cuts = tokens = alone = 0
    apart = 0.0
    with torch.no_grad(), isolated(device, seed=seed), autocast(device, dtype):
        for batch in _repeated(kept):
            if cuts >= CUTS:
                break
            cut = _cut(batch, model.vocab_size, generator)
            again = _nats(model, cut.tokens, batch.targets)
            rows = cut.own.flatten().nonzero().flatten().tolist()
            some = rows[: min(ALONE - alone, -(-ALONE // len(kept)))]
            by_itself = [(way, row, _alone(model, cut, row, way)) for row, way in zip(some, _ways(), strict=False)]
            shapes = [_largest(again[row, : len(own)] - own) for way, row, own in by_itself if way == "alone"]
            allowed = min(max(NEAR[dtype], MARGIN * max(shapes, default=0.0)), MOST[dtype])
            cuts, tokens, alone = cuts + len(rows), tokens + int(cut.compared.sum()), alone + len(some)
            found, far = _apart(batch.nats, again, cut.compared, allowed)
            apart = max(apart, far)
            if found:
                why = _reason(model, cut, again, allowed, None)
                return Reproduction(cuts, tokens, apart, found._replace(why=why))
            for way, row, own in by_itself:
                end = len(own)
                found, far = _apart(batch.nats[row, :end], own, cut.compared[row, :end], allowed)
                apart = max(apart, far)
                if found:
                    why = _reason(model, cut, again, allowed, way)
                    return Reproduction(cuts, tokens, apart, found._replace(why=why))
    return Reproduction(cuts, tokens, apart)


def _repeated(kept: Sequence[KeptBatch]) -> Iterator[KeptBatch]:
    for _ in range(ROUNDS):
        yield from kept


def _ways() -> Iterator[str]:
    while True:
        yield from ALONE_WAYS


def _cut(batch: KeptBatch, vocab_size: int, generator: torch.Generator) -> _Cut:
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
    return _Cut(batch, tokens, (kept & scored).to(device), at, own)


def _nats(model: SequenceModel, tokens: Tensor, targets: Tensor) -> Tensor:
    """(B, T)."""
    return token_losses(model(tokens.clone()), targets)


def _alone(model: SequenceModel, cut: _Cut, row: int, way: str) -> Tensor:
    """(T,), or only up to the cut: losses of a row in a batch of its own."""
    end = int(cut.at[row]) + 1 if way == "bare" else cut.tokens.shape[1]
    with torch.set_grad_enabled(way == "recorded"):
        return _nats(model, cut.tokens[row : row + 1, :end], cut.batch.targets[row : row + 1, :end])[0].detach()


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def _apart(recorded: Tensor, again: Tensor, compared: Tensor, allowed: float) -> tuple[Disagreement | None, float]:
    """The losses that differ by more than is allowed, if any; and how far apart any are, in nats."""
    before, now = recorded[compared].double(), again[compared].double()
    difference = (now - before).abs()
    wrong = ~(difference <= allowed * before.clamp(min=1))
    if not wrong.any():
        return None, _largest(difference)
    count = int(wrong.sum())
    return Disagreement(count, float(before[wrong].mean()), float(now[wrong].mean()), ""), _largest(difference)


def _reason(model: SequenceModel, cut: _Cut, again: Tensor, allowed: float, way: str | None) -> str:
    """Why the losses of a cut batch, or of a row of it alone in one way, are others: by changing one thing at a time.

    Args:
        again: (B, T), what the cut batch came to.
    """
    batch, every = cut.batch, cut.batch.targets != IGNORED
    if _apart(again, _nats(model, cut.tokens, batch.targets), every, allowed)[0]:
        return NOT_AGAIN
    if way is not None:
        return ALONE_WAYS[way]
    if _apart(batch.nats, _nats(model, batch.tokens, batch.targets), every, allowed)[0]:
        return NOT_AGAIN
    wrong = ((again - batch.nats).abs() > allowed) & cut.compared
    for row in wrong.any(dim=1).nonzero().flatten()[:LOOKED_AT]:
        later = batch.tokens.clone()
        later[row] = cut.tokens[row]
        if _apart(batch.nats[row], _nats(model, later, batch.targets)[row], cut.compared[row], allowed)[0]:
            return LATER
    return OTHERS
