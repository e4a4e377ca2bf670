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
    """Draw the first training batch of seed 1 as windows: tokens (B, T), and the token after each (B,)."""
    batch = corpus.rows("train", length=length).windows(1, 0, rows, length)
    return batch.tokens.long(), batch.targets[:, -1].long()


def targets_of(tokens: Tensor, following: Tensor, form: Form) -> Tensor:
    """The next tokens of what a form predicts: (B,), (B, T) or (M,).

    Boundaries before that of a document fill its windows: nothing is predicted there.
    """
    if form == "tree":
        return following
    shifted = torch.cat([tokens[:, 1:], following.unsqueeze(1)], dim=1)
    shifted = shifted.masked_fill((tokens == BOUNDARY) & (shifted == BOUNDARY), IGNORED)
    if form != "packed":
        return shifted
    return Packing.of(torch.full((len(tokens),), tokens.shape[1])).pack(shifted)
