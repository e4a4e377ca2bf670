"""The batch on which a model is looked at, in a trace and in a watched run."""

import torch
from torch import Tensor

from zoo.data.corpus import Corpus
from zoo.packing import Packing
from zoo.probes.values import Form
from zoo.tokens import BOUNDARY, IGNORED

ROWS = 32
"""Usual number of rows."""


def draw_rows(corpus: Corpus, rows: int, length: int) -> tuple[Tensor, Tensor]:
    """Draw the first training batch of seed 1 as windows: tokens and targets (B, T).

    In text every token has a target but the boundaries that fill a window before its document; where targets are
    answers, only the last one, which is scored.
    """
    batch = corpus.rows("train", length=length).windows(1, 0, rows, length)
    tokens, last = batch.tokens.long(), batch.targets.long()
    if corpus.has_answers:
        return tokens, torch.cat([torch.full_like(tokens[:, 1:], IGNORED), last], dim=1)
    following = torch.cat([tokens[:, 1:], last], dim=1)
    return tokens, following.masked_fill((tokens == BOUNDARY) & (following == BOUNDARY), IGNORED)


def targets_of(targets: Tensor, form: Form) -> Tensor:
    """(B, T) targets -> those of what a form predicts: (B,), (B, T) or (M,)."""
    if form == "tree":
        return targets[:, -1]
    if form != "packed":
        return targets
    return Packing.of(torch.full((len(targets),), targets.shape[1])).pack(targets)
