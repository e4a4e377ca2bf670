"""Logits at t depend on the tokens up to t alone: by changing what comes after, and by gradients."""

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.conformance.check import Check, Finding, failure, remark
from zoo.conformance.subject import CPU, Subject, apart
from zoo.experiments.reach import influence
from zoo.models.interface import SequenceModel
from zoo.training.device import isolated

ADVICE = "A model predicts the token after t from those up to t: mask or shift what reaches further."
FADED = {torch.float64: 1e-9, torch.float32: 1e-5}
"""A gradient that is so small, relative to the largest, is rounding: a Fourier transform, for one, has it."""
LONG, PLACES = 150, 24
"""Tokens of the longest row at least, and about how many places of a row are looked at."""
FEW = 4
"""Tokens that half of the rows are made of: the boundary is one of them, which some take for the end of all before."""


def find(subject: Subject) -> Iterator[Finding]:
    """Rows shorter and longer than N; both modes, in training without what batch statistics explain."""
    N = subject.context
    *others, probed, longest = [*sorted({max(2, N - 3), max(2, N), 3 * N + 2}), max(3 * N + 2, LONG)]
    model = subject.stirred()
    for T in (*others, probed, longest):
        largest, at = leak(model, subject, T)
        if largest > subject.tolerance:
            yield failure(f"Tokens after t={at} of {T} change the logits at or before it, by {largest:.2g}. {ADVICE}")
            return
    if leaking := _by_gradient(model, subject, probed):
        yield failure(f"{leaking} {ADVICE}")
        return
    model = subject.stirred().train()
    largest, _ = leak(model, subject, probed)
    names = _freeze_statistics(model)
    unexplained, at = leak(model, subject, probed)
    aside = f"{', batch statistics aside' if names else ''}; in evaluation mode they do not. {ADVICE}"
    if unexplained > subject.tolerance:
        change = f"change the logits at or before it, by {unexplained:.2g}"
        yield failure(f"In training mode tokens after t={at} {change}{aside}")
    elif leaking := _by_gradient(model, subject, probed):
        yield failure(f"In training mode: {leaking} {ADVICE}")
    elif largest > subject.tolerance:
        yield remark(
            f"In training mode later tokens change earlier logits by {largest:.2g}, through the batch statistics of "
            f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}, and through nothing else."
        )


def leak(model: SequenceModel, subject: Subject, length: int) -> tuple[float, int]:
    """The largest change of logits at or before any t when all tokens after t change, relative; and that t."""
    rows, few = subject.tokens(4, length), min(FEW, subject.vocab_size)
    tokens = torch.cat([rows[:2], rows[2:] % few])
    others = torch.cat([subject.others(rows[:2]), (rows[2:] + 1) % few])
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}

    def logits_then(tokens: Tensor) -> Tensor:
        with isolated(CPU, seed=1), torch.set_grad_enabled(model.training):
            logits: Tensor = model(tokens).detach().clone()
        for name, buffer in model.named_buffers():  # training leaves traces
            if name in buffers:
                buffer.data.copy_(buffers[name])
        return logits

    logits, worst = logits_then(tokens), (0.0, 0)
    for t in _places(length - 1):
        changed = torch.cat([tokens[:, : t + 1], others[:, t + 1 :]], dim=1)
        worst = max(worst, (apart(logits[:, : t + 1], logits_then(changed)[:, : t + 1]), t))
    return worst


def _places(count: int) -> list[int]:
    """Places spread evenly, and those around powers of two."""
    powers = (2**power + off for power in range(count.bit_length()) for off in (-2, -1, 0))
    return sorted({*range(0, count, max(1, count // PLACES)), *(t for t in powers if 0 <= t < count), count - 1})


def _by_gradient(model: SequenceModel, subject: Subject, length: int) -> str | None:
    """What leaks by gradient; None where nothing does, or where gradients cannot be looked at."""
    for t in sorted({0, subject.context // 2, subject.context, length // 2}):
        try:
            with isolated(CPU, seed=0):
                strongest = influence(model, 2, length, at=t)
        except Exception:  # a model that does more with tokens than to look them up; changing them was the test
            return None
        later = strongest[t + 1 :].max().item()
        if later > FADED[subject.precise] * strongest.max().item():
            return f"Logits at t={t} have a gradient of {later:.2g} from a later token."
    return None


def _freeze_statistics(model: SequenceModel) -> list[str]:
    """Put the layers that keep running statistics of batches into evaluation mode, and no other part; their names."""
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if hasattr(layer, "running_mean") and layer is not model and not any(layer.children())
    }
    for layer in layers.values():
        layer.eval()
    return list(layers)


CHECK = Check(
    "causality",
    "Logits at t depend on tokens up to t alone, in both modes.",
    find,
    needs=("shape", "determinism"),
)
