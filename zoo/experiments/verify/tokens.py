"""A few documents of a run scored again token by token, each from nothing but the tokens before it.

A model that kept what it was given once, and answers from that, gives the same scores as often as it is asked in the
process that showed it whole rows. In another one, which has shown it nothing yet, the loss of a token from the tokens
before it owes nothing to what comes after.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.rows import Rows
from zoo.experiments.verify.diff import told
from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.device import autocast
from zoo.training.evaluation import MAX_TOKENS
from zoo.training.loss import token_losses

DOCUMENTS = 24
"""Scored token by token, at the most."""
POSITIONS = 200_000
"""Computed for them, at the most: the tokens before a token are computed again for each."""
NEAR = {"float32": 1e-4, "bfloat16": 2**-6}
"""Nats a token, or relative where a token has more than one."""


class _Document(NamedTuple):
    """`row` numbers its score; `tokens` and `targets` (T,)."""

    row: int
    tokens: Tensor
    targets: Tensor

    @property
    def scored(self) -> list[int]:
        return (self.targets != IGNORED).nonzero().flatten().tolist()

    @property
    def positions(self) -> int:
        """Computed to score it token by token."""
        return sum(at + 1 for at in self.scored)


def token_differences(
    model: SequenceModel,
    rows: Rows,
    nats: NDArray[np.float64],
    dtype: str,
    *,
    split: str,
    seed: int,
) -> Iterator[str]:
    """The first of a few documents whose recorded loss does not come out token by token.

    Args:
        model: where the rows are, in evaluation mode; it has computed nothing in this process.
        nats: (documents,) as recorded; of very many documents several share one, which is not looked at.
    """
    with torch.no_grad(), autocast(rows.device, dtype):
        for document in _chosen(rows, len(nats), random.Random(seed)):
            again = 0.0
            for at in document.scored:
                tokens, targets = (part[None, : at + 1] for part in (document.tokens, document.targets))
                again += float(token_losses(model(tokens.clone()), targets)[0, at])
            recorded = float(nats[document.row])
            if not abs(again - recorded) <= NEAR[dtype] * max(len(document.scored), abs(recorded)):
                yield told(f"nats of document {document.row} of {split}, token by token", recorded, again)
                return


def _chosen(rows: Rows, count: int, draw: random.Random) -> list[_Document]:
    """Documents drawn at random that have a score of their own, as many as there is room for, in random order."""
    wanted = set(draw.sample(range(count), min(count, 4 * DOCUMENTS)))
    found: dict[int, _Document | None] = {}
    for batch in rows.evaluation_batches(MAX_TOKENS):
        for place in np.flatnonzero(np.isin(batch.row, list(wanted))):
            row = int(batch.row[place])
            alone = row not in found
            found[row] = _Document(row, batch.tokens[place], batch.targets[place]) if alone else None
    documents = [document for document in found.values() if document is not None]
    draw.shuffle(documents)
    taken, room = [], POSITIONS
    for document in documents[:DOCUMENTS]:
        room -= document.positions
        if room >= 0:
            taken.append(document)
    return taken
