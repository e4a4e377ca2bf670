"""Compare rescored losses with the recorded ones, and explain a difference."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.evaluation import losses_of
from zoo.training.foreign_answers import replace_answers, run_beside
from zoo.training.loss import token_losses
from zoo.training.rescoring import Rescoring, losses_differ, rescore_row
from zoo.training.reservoir import KeptBatch
from zoo.training.rounding import ALWAYS_ALLOWED, loss_change

FLIPS = {"float32": 0.0, "bfloat16": 0.01}
"""Fraction of tokens whose loss may change by more than rounding: a hard decision of a model may flip."""
FLIPS_ALONE = {"float32": 0.0, "bfloat16": 0.1}
"""The same fraction for rows scored alone, where one flip is more than a hundredth of the few tokens."""
DEVIATIONS = 4
"""Maximum mean change, in standard errors: rounding has no direction, a peek has one."""

EXPLAINED = 8
"""Maximum number of changed rows that are cut one by one to find the reason."""

NOT_AGAIN = (
    "the same tokens get other losses at a second evaluation: the model draws random numbers in evaluation mode, or "
    "keeps something from one call to the next"
)
LATER = "they change with tokens that come later: the model looks ahead"
OTHERS = "they change with the other rows of the batch"
ONE_WAY = "all change a little in one direction, unlike rounding: they change with later tokens or other rows"
ANSWERS = "they change with the answers: the model reads the targets that it is scored on"
ALONE_WAYS = {
    "alone": "they change when a row is alone in its batch",
    "recorded": "they change when gradients are recorded",
    "bare": "they change when the tokens after the scored one are removed",
}


class Disagreement(NamedTuple):
    """Losses that were not reproduced: number of tokens, their mean loss in nats before and now, and the reason."""

    tokens: int
    recorded: float
    again: float
    why: str


def compare_batches(
    model: SequenceModel, parts: Sequence[Rescoring], allowed: float, precision: str
) -> Disagreement | None:
    """Find what whole batches did not reproduce: losses that changed, or small changes with a direction."""
    before, now, last = (torch.cat([getattr(part, name) for part in parts]) for name in ("before", "now", "last"))
    difference = loss_change(before, now)
    far = ~(difference.abs() <= allowed)
    few = int(far.sum()) <= ceil(FLIPS[precision] * len(far)) and bool(
        difference.mean().abs() <= ALWAYS_ALLOWED[precision]
    )
    if far.any() and not few:
        first = next(part for part in parts if part.differs(allowed))
        return _summarize(before[far], now[far], _explain(model, first, allowed))
    for where in (last, torch.ones_like(last)):
        if _is_biased(difference[where], ALWAYS_ALLOWED[precision]):
            return _summarize(before[where], now[where], ONE_WAY)
    return None


def compare_answers(
    model: SequenceModel, batches: Sequence[KeptBatch], allowed: float, generator: torch.Generator
) -> Disagreement | None:
    """Find losses that change if the targets at hand are foreign ones, in the first batch that has any."""
    for batch in batches:
        foreign = replace_answers(batch, model.vocab_size, generator)
        scored = batch.targets != IGNORED
        logits = run_beside(model, foreign)
        before, now = batch.nats[scored], token_losses(logits, batch.targets)[scored]
        far = ~(loss_change(before, now).abs() <= allowed)
        if far.any():
            return _summarize(before[far], now[far], ANSWERS)
    return None


def _is_biased(difference: Tensor, near: float) -> bool:
    error = float(difference.std(correction=0)) / len(difference) ** 0.5
    return not abs(float(difference.mean())) <= near + DEVIATIONS * error


def compare_rows(
    model: SequenceModel, single: Mapping[str, Sequence[Rescoring]], allowed: float, precision: str
) -> Disagreement | None:
    """Find what rows scored alone did not reproduce."""
    for way, parts in single.items():
        if not parts:
            continue
        before, now = (torch.cat([getattr(part, name) for part in parts]) for name in ("before", "now"))
        far = ~(loss_change(before, now).abs() <= allowed)
        if int(far.sum()) > ceil(FLIPS_ALONE[precision] * len(far)):
            first = next(part for part in parts if part.differs(allowed))
            return _summarize(before[far], now[far], _explain_row(model, first, way, allowed))
    return None


def _summarize(before: Tensor, now: Tensor, why: str) -> Disagreement:
    return Disagreement(len(before), float(before.double().mean()), float(now.double().mean()), why)


def _explain(model: SequenceModel, part: Rescoring, allowed: float) -> str:
    """Find why losses of a cut batch changed, by changing one thing at a time."""
    cut, again, batch = part.cut, part.again, part.cut.batch
    every = batch.targets != IGNORED

    def change(tokens: Tensor, expected: Tensor, where: Tensor) -> bool:
        return losses_differ(expected[where], losses_of(model, tokens, batch.targets)[where], allowed)

    if change(cut.tokens, again, every) or change(batch.tokens, batch.nats, every):
        return NOT_AGAIN
    wrong = (~(loss_change(batch.nats, again).abs() <= allowed)) & cut.compared
    for row in wrong.any(dim=1).nonzero().flatten()[:EXPLAINED]:
        later, this = batch.tokens.clone(), torch.zeros_like(cut.compared)
        later[row], this[row] = cut.tokens[row], cut.compared[row]
        if change(later, batch.nats, this):
            return LATER
    return OTHERS


def _explain_row(model: SequenceModel, part: Rescoring, way: str, allowed: float) -> str:
    """Find whether losses of a row changed because it was alone or because of `way` (a key of `ALONE_WAYS`)."""
    assert part.row is not None
    targets = part.cut.batch.targets
    now = losses_of(model, part.cut.tokens, targets)
    if losses_differ(part.again[targets != IGNORED], now[targets != IGNORED], allowed):
        return NOT_AGAIN
    plainly = rescore_row(model, part, part.row, "alone")
    return ALONE_WAYS["alone" if plainly.differs(allowed) else way]
