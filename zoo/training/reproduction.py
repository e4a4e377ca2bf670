"""Reproduce the scores of an evaluation on inputs that do not contain the targets.

An evaluation gives a model whole rows, targets included, and assumes that logits at t depend only on tokens up to t.
This module scores some rows again with the same weights in a freshly built model. Each row is cut at a random target:
every token after the cut is replaced by a foreign one, and a quarter of the rows are replaced as a whole. Losses up to
the cut stay the same only if they do not depend on the replaced tokens. A few rows are also scored alone: the cut row,
the cut row with gradients recorded, and only the tokens up to the cut. Where targets are answers, batches are also
scored beside foreign ones (`foreign_answers.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, cycle, repeat

import torch

from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.device import autocast
from zoo.training.disagreement import ALONE_WAYS, Disagreement, compare_answers, compare_batches, compare_rows
from zoo.training.rescoring import Rescoring, cut_rows, rescore_batch, rescore_row
from zoo.training.reservoir import KeptBatch
from zoo.training.rounding import coarser_precision, measure_rounding

CUTS = 200
"""Minimum number of rows to cut and score again."""
ALIKE = 3
"""Minimum number of batches to cut if all rows have one length, as in a stream; otherwise every kept batch is cut."""
ROUNDS = 200
"""Maximum number of times to cut a batch; a split of few rows is cut repeatedly, at other places."""
ALONE = 36
"""Number of cut rows that are also scored alone."""


@dataclass(frozen=True)
class Reproduction:
    """Number of cuts and tokens scored again, largest change of a loss (nats), and what was not reproduced."""

    cuts: int = 0
    tokens: int = 0
    apart: float = 0.0
    disagreement: Disagreement | None = None


def reproduce(
    model: SequenceModel,
    batches: Sequence[KeptBatch],
    *,
    device: torch.device,
    dtype: str = "float32",
    seed: int = 0,
    cuts: int = CUTS,
    alone: int = ALONE,
    has_answers: bool = False,
) -> Reproduction:
    """Cut batches of an evaluation and score them again: each once, then repeatedly until there are enough cuts.

    Args:
        model: freshly built model on the device, with the weights that scored the batches.
        batches: the first batch of the evaluation, the last, and some others.
        dtype: dtype of the evaluation.
        seed: seed of the cuts and the foreign tokens.
        cuts: minimum number of rows to cut.
        alone: maximum number of cut rows to score alone.
        has_answers: whether targets are answers, so that they could be read only by reading targets.
    """
    model.eval()
    generator, precision = torch.Generator().manual_seed(seed), coarser_precision(model, dtype)
    with torch.no_grad(), isolated(device, seed=seed), autocast(device, dtype):
        allowed = measure_rounding(model, batches, precision, generator)
        whole, single = _rescore(model, batches, generator, cuts, alone)
        read = compare_answers(model, batches, allowed, generator) if has_answers else None
        found = (
            read or compare_batches(model, whole, allowed, precision) or compare_rows(model, single, allowed, precision)
        )
    everything = [*whole, *chain.from_iterable(single.values())]
    return Reproduction(
        cuts=sum(int(part.cut.own.sum()) for part in whole),
        tokens=sum(len(part.now) for part in whole),
        apart=max((float((part.now - part.before).abs().max()) for part in everything), default=0.0),
        disagreement=found,
    )


def _rescore(
    model: SequenceModel, batches: Sequence[KeptBatch], generator: torch.Generator, cuts: int, alone: int
) -> tuple[list[Rescoring], dict[str, list[Rescoring]]]:
    """Cut and score batches until there are enough cuts; return whole batches, and way -> rows scored alone."""
    alike = len({batch.tokens.shape[1] for batch in batches}) == 1
    once = min(len(batches), ALIKE) if alike else len(batches)
    whole: list[Rescoring] = []
    single: dict[str, list[Rescoring]] = {way: [] for way in ALONE_WAYS}
    ways, made, tried = cycle(ALONE_WAYS), 0, 0
    for number, batch in enumerate(chain.from_iterable(repeat(batches, ROUNDS))):
        if number >= once and made >= cuts:
            break
        whole.append(rescore_batch(model, cut_rows(batch, model.vocab_size, generator)))
        rows = whole[-1].cut.own.flatten().nonzero().flatten()
        share = -(-(alone - tried) // max(1, once - number))
        some = rows[torch.randperm(len(rows), generator=generator)][:share]
        for row, way in zip(some.tolist(), ways, strict=False):
            single[way].append(rescore_row(model, whole[-1], row, way))
        made, tried = made + len(rows), tried + len(some)
    return whole, single
