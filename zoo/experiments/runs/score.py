"""Score stored weights, and refuse scores that cannot be believed.

Weights are stored first, then scored in a freshly built model. Scores are refused if evaluation changes the weights, if
a loss is not finite, if losses are not reproduced with foreign later tokens and other rows
(`zoo.training.reproduction`), or if the validation loss differs from that seen in training.
"""

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray

from zoo.data.rows import Rows
from zoo.experiments.records.detail import DETAILED
from zoo.experiments.records.run import Reproduced
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import UnfitWeightsError
from zoo.training.detail import Detail
from zoo.training.evaluation import Score, evaluate
from zoo.training.model_state import same_bits, state_of
from zoo.training.reproduction import ALONE, CUTS, Reproduction, reproduce
from zoo.training.reservoir import Reservoir

SAME_LOSS = 1e-4
"""Maximum difference in nats per token between the validation loss of the curve and that of the stored weights."""


@dataclass(frozen=True)
class Scored:
    """Scores by split, detail arrays (as "test.position.nats"), their reproduction, and the reason of a refusal."""

    scores: dict[str, Score] = field(default_factory=dict)
    detail: dict[str, NDArray[Any]] = field(default_factory=dict)
    reproduced: Reproduced | None = None
    refusal: str | None = None


def score_stored(
    stored: Callable[[], SequenceModel],
    rows: Mapping[str, Rows],
    *,
    device: torch.device,
    dtype: str,
    seed: int,
    best: float | None = None,
) -> Scored:
    """Score stored weights on every split of `rows`, and rescore parts of those held out without their targets.

    Args:
        stored: builds a fresh model and loads its weights, on the CPU.
        rows: split -> rows on the device.
        seed: seed of the documents to rescore and of their cuts.
        best: validation loss of these weights in training, in nats per token.
    """
    try:
        model = stored().to(device)
    except UnfitWeightsError as error:
        return Scored(refusal=f"Its weights do not fit a model built afresh: {error.reason}")
    held = [split for split in rows if split != "train"]
    seeds = {split: random.Random(f"{seed} {split}").getrandbits(63) for split in held}
    kept = {split: Reservoir(seeds[split]) for split in held}
    details = {split: Detail(part) for split, part in rows.items() if split in DETAILED}
    scores = {
        split: evaluate(model, part, device=device, dtype=dtype, reservoir=kept.get(split), detail=details.get(split))
        for split, part in rows.items()
    }
    if infinite := next((split for split, score in scores.items() if not math.isfinite(score.loss)), None):
        return Scored(refusal=_not_finite(infinite, scores[infinite].loss))
    began = time.perf_counter()
    afresh = stored().to(device)
    if rewritten := _differing(model, afresh):
        return Scored(refusal=f"Evaluating rewrites its own weights: '{rewritten}' is not as it was stored.")
    del model
    share = {"cuts": -(-CUTS // len(held)), "alone": -(-ALONE // len(held))}
    found: list[Reproduction] = []
    for split, own in kept.items():
        answers = rows[split].has_answers
        found.append(
            reproduce(afresh, own.batches, device=device, dtype=dtype, seed=seeds[split], has_answers=answers, **share)
        )
        if found[-1].disagreement:
            return Scored(refusal=_refusal(split, found[-1]))
    if best is not None and not abs(scores["validation"].loss - best) <= SAME_LOSS:
        return Scored(
            refusal=f"Its stored weights have a validation loss of {scores['validation'].loss:.4f}, in training it was "
            f"{best:.4f}: it keeps something from training that is neither a parameter nor a buffer of its state_dict."
        )
    arrays = {f"{split}.{name}": part for split, own in details.items() for name, part in own.arrays().items()}
    return Scored(scores, arrays, _in_all(found, time.perf_counter() - began))


def _in_all(found: list[Reproduction], seconds: float) -> Reproduced:
    return Reproduced(
        cuts=sum(part.cuts for part in found),
        tokens=sum(part.tokens for part in found),
        apart=max((part.apart for part in found), default=0.0),
        seconds=seconds,
    )


def _differing(one: SequenceModel, other: SequenceModel) -> str | None:
    """Return the name of the first parameter or persistent buffer that differs, or None."""
    tensors, others = state_of(one), state_of(other)
    if unlike := sorted(tensors.keys() ^ others.keys()):
        return unlike[0]
    return next((name for name, tensor in tensors.items() if not same_bits(tensor, others[name])), None)


def _not_finite(split: str, loss: float) -> str:
    if math.isnan(loss):
        return f"Its loss on {split} is not a number."
    return f"Its loss on {split} is infinite: it gives probability 0 to a token that occurs."


def _refusal(split: str, found: Reproduction) -> str:
    wrong = found.disagreement
    assert wrong is not None
    return (
        f"Its scores on {split} are not reproduced when later tokens are hidden from it: of {found.tokens:,} tokens "
        f"scored again {wrong.tokens:,} differ, on average {wrong.recorded:.4f} nats recorded and {wrong.again:.4f} "
        f"again; {wrong.why}."
    )
