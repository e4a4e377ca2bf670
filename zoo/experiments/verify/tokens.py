"""Score a few documents of a run token by token, each token from only the tokens before it.

A model that remembers its input rows can answer from them, and then reproduces its scores in the process that showed it
whole rows. This process has shown it none, so the loss of a token cannot depend on later ones.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.data.rows import Rows
from zoo.experiments.verify.diff import describe
from zoo.models.interface import SequenceModel
from zoo.tokens import IGNORED
from zoo.training.device import autocast
from zoo.training.evaluation import MAX_TOKENS
from zoo.training.loss import token_losses

DOCUMENTS = 24
"""Most documents that are scored token by token."""
POSITIONS = 200_000
"""Most positions that are computed for them: every token needs a forward pass over all tokens before it."""
TOLERANCES = {"float32": 1e-4, "bfloat16": 2**-6}
"""dtype -> tolerance in nats a token, relative where a token has more than one nat."""


class _Document(NamedTuple):
    """One document: the index of its score, its tokens (T,) and targets (T,)."""

    row: int
    tokens: Tensor
    targets: Tensor

    @property
    def scored(self) -> list[int]:
        """The positions with a target."""
        return (self.targets != IGNORED).nonzero().flatten().tolist()

    @property
    def positions(self) -> int:
        """Number of positions computed to score it token by token."""
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
    """Score a few documents token by token; yield the first one whose recorded loss differs.

    Args:
        model: on the device of the rows, in evaluation mode; it has computed nothing in this process.
        nats: (documents,) recorded losses. A number that several of very many documents share is skipped.
    """
    with torch.no_grad(), autocast(rows.device, dtype):
        for document in _choose(rows, len(nats), random.Random(seed)):
            again = 0.0
            for at in document.scored:
                tokens, targets = (part[None, : at + 1] for part in (document.tokens, document.targets))
                again += float(token_losses(model(tokens.clone()), targets)[0, at])
            recorded = float(nats[document.row])
            if not abs(again - recorded) <= TOLERANCES[dtype] * max(len(document.scored), abs(recorded)):
                yield describe(f"nats of document {document.row} of {split}, token by token", recorded, again)
                return


def _choose(rows: Rows, count: int, draw: random.Random) -> list[_Document]:
    """Draw documents with a score of their own, in random order, up to DOCUMENTS and POSITIONS."""
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
