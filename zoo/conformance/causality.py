"""Logits at t depend on the tokens up to t alone: by changing what comes after, and by gradients."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.conformance.check import Check, Finding, failure, remark
from zoo.conformance.subject import CPU, Subject, apart, logits_of
from zoo.experiments.reach import influence
from zoo.models.interface import SequenceModel
from zoo.training.device import isolated

ADVICE = "A model predicts the token after t from those up to t: mask or shift what reaches further."
FADED = 1e-9
"""A gradient that is so small, relative to the largest, is rounding: a Fourier transform, for one, has it."""


MANY = 128
"""Tokens of a row up to which every position is looked at."""


def find(subject: Subject) -> Iterator[Finding]:
    """Rows shorter and longer than N; both modes, in training without what batch statistics explain."""
    model = subject.stirred()
    lengths = sorted({max(2, subject.context - 3), 3 * subject.context + 2})
    for T in lengths:
        largest, at = leak(model, subject, T)
        if largest > subject.tolerance:
            yield failure(f"Tokens after t={at} of {T} change the logits at or before it, by {largest:.2g}. {ADVICE}")
            return
    if leaking := _by_gradient(model, subject, lengths[-1]):
        yield failure(f"{leaking} {ADVICE}")
        return
    model.train()
    largest, at = leak(model, subject, lengths[-1])
    if largest <= subject.tolerance:
        return
    names = _freeze_statistics(model)
    unexplained, at = leak(model, subject, lengths[-1])
    if unexplained > subject.tolerance:
        yield failure(
            f"In training mode tokens after t={at} change the logits at or before it, by {unexplained:.2g}"
            f"{', batch statistics aside' if names else ''}; in evaluation mode they do not. {ADVICE}"
        )
    else:
        yield remark(
            f"In training mode later tokens change earlier logits by {largest:.2g}, through the batch statistics of "
            f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}, and through nothing else."
        )


def leak(model: SequenceModel, subject: Subject, length: int) -> tuple[float, int]:
    """The largest change of logits at or before any t when all tokens after t change, relative; and that t."""

    def logits_then(tokens: Tensor) -> Tensor:
        return logits_of(copy.deepcopy(model) if model.training else model, tokens)  # training leaves traces

    tokens = subject.tokens(1, length)
    logits, worst = logits_then(tokens), (0.0, 0)
    for t in range(length - 1) if length <= MANY else _some(length - 1, subject.context):
        changed = torch.cat([tokens[:, : t + 1], subject.others(tokens[:, t + 1 :])], dim=1)
        worst = max(worst, (apart(logits[:, : t + 1], logits_then(changed)[:, : t + 1]), t))
    return worst


def _some(count: int, context: int) -> list[int]:
    """The first positions, those around multiples of N, and some in between."""
    around = (multiple * context + off for multiple in range(1, 4) for off in (-2, -1, 0, 1))
    return sorted({*range(min(count, 16)), *(t for t in around if 0 <= t < count), *range(0, count, count // 32)})


def _by_gradient(model: SequenceModel, subject: Subject, length: int) -> str | None:
    """What leaks by gradient; None where nothing does, or where gradients cannot be looked at."""
    for t in sorted({0, subject.context // 2, subject.context, length // 2}):
        try:
            with isolated(CPU, seed=0):
                strongest = influence(model, 2, length, at=t)
        except Exception:  # a model that does more with tokens than to look them up; changing them was the test
            return None
        later = strongest[t + 1 :].max().item()
        if later > FADED * strongest.max().item():
            return f"Logits at t={t} have a gradient of {later:.2g} from a later token."
    return None


def _freeze_statistics(model: SequenceModel) -> list[str]:
    """Put whatever keeps running statistics of batches into evaluation mode; the names."""
    layers = {name: layer for name, layer in model.named_modules() if hasattr(layer, "running_mean")}
    for layer in layers.values():
        layer.eval()
    return list(layers)


CHECK = Check(
    "causality",
    "Logits at t depend on tokens up to t alone, in both modes.",
    find,
    needs=("shape", "determinism"),
)
