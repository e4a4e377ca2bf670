"""Logits at t depend on the tokens up to t alone: by changing what comes after, and by gradients."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from zoo.conformance.check import Check, Finding, failure, note_place, remark
from zoo.conformance.fresh_model import FreshModel
from zoo.conformance.memory_layout import compare_memory_layouts
from zoo.conformance.subject import CPU, DOCUMENTS, SCORED, Subject, begin_with_boundary
from zoo.models.interface import SequenceModel
from zoo.probes.receptive_field import gradient_by_position
from zoo.surroundings import isolated

ADVICE = "A model predicts the token after t from those up to t: mask or shift what reaches further."
FADED = {torch.float64: 1e-9, torch.float32: 1e-5}
"""A gradient that is so small, relative to the largest, is rounding: a Fourier transform, for one, has it."""
LONG, PLACES = 150, 16
"""Tokens of a long row at least, and about how many places of a row are cut, beside those near powers of two."""
SHORT = 64
"""Tokens of a row that is cut at each place twice, once with many kinds of tokens and once with few."""
FEW = 4
"""Tokens that half of the rows are made of: the boundary is one of them, which some take for the end of all before."""


def find(subject: Subject) -> Iterator[Finding]:
    """Rows shorter and longer than N, and batches as evaluation has them; both modes, gradients recorded and not."""
    N, probed = subject.context, 3 * subject.context + 2
    exact = FreshModel(subject)
    scored, recorded = replace(exact, dtype=torch.float32), replace(exact, gradients=True)
    lengths = sorted({max(2, N - 3), max(2, N), probed, max(probed, LONG)})
    ways = [(exact, None, T) for T in lengths] + [(scored, B, T) for B, T in SCORED] + [(recorded, None, probed)]
    for fresh, B, T in ways:
        largest, at = find_leak(fresh, T, B)
        if largest > fresh.tolerance:
            rows = f" in a batch of {B} rows" if B else ""
            mode = ", where gradients are recorded" if fresh.gradients else ""
            change = f"change the logits at or before it{rows}{mode}, by {largest:.2g}"
            yield failure(f"Tokens after t={at} of {T} {change}. {ADVICE}")
            return
    if leaking := _by_gradient(exact, probed):
        yield failure(f"{leaking} {ADVICE}")
        return
    yield from compare_memory_layouts(exact, probed)
    yield from _in_training(subject, probed)


def _in_training(subject: Subject, T: int) -> Iterator[Finding]:
    """What leaks in training mode, batch statistics apart."""
    names = _freeze_statistics(subject.build())
    fresh = FreshModel(subject, training=True, gradients=True, prepare=_freeze_statistics)
    for way in (fresh, replace(fresh, gradients=False)):
        largest, at = find_leak(way, T)
        if largest > way.tolerance:
            mode = "" if way.gradients else " without gradients"
            aside = f"{', batch statistics aside' if names else ''}; in evaluation mode they do not. {ADVICE}"
            yield failure(
                f"In training mode{mode} tokens after t={at} change the logits at or before it, by {largest:.2g}{aside}"
            )
            return
    if leaking := _by_gradient(fresh, T):
        yield failure(f"In training mode: {leaking} {ADVICE}")
        return
    yield from compare_memory_layouts(fresh, T)
    if names and (largest := _by_statistics(subject, T)) > subject.tolerance:
        yield remark(
            f"In training mode later tokens change earlier logits by {largest:.2g}, through the batch statistics of "
            f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}, and through nothing else."
        )


def find_leak(fresh: FreshModel, T: int, B: int | None = None) -> tuple[float, int]:
    """The largest change of logits at or before any t when all tokens after t change, relative; and that t.

    First every row is cut at a place of its own: where nothing changes, nothing leaks. Otherwise rows may only have
    seen each other, and all of them are cut at one place, at one after the other.
    """
    subject, places, documents = fresh.subject, _places(T - 1), (B, T) in DOCUMENTS
    if B:
        B = subject.fitting_rows(B, T)
        places = places[:: -(-len(places) // B)]
    else:
        B = subject.fitting_rows(len(places) if T > SHORT else 2 * len(places), T)
    row = torch.arange(B).unsqueeze(1)
    kinds = torch.where((row + row // len(places)) % 2 > 0, subject.vocab_size, min(FEW, subject.vocab_size))
    tokens = begin_with_boundary(subject.tokens(B, T) % kinds, documents=documents)
    others = (tokens + 1) % kinds
    with note_place(f"on tokens of shape ({B}, {T}), N={subject.context}"):
        logits = fresh(tokens)
        parts = [places[first : first + B] for first in range(0, len(places), B)]
        cuts = (torch.tensor([part[row % len(part)] for row in range(B)]) for part in parts)
        if all(fresh.change(logits, tokens, others, some) <= fresh.tolerance for some in cuts):
            return 0.0, 0
        return max((fresh.change(logits, tokens, others, torch.full((B,), t)), t) for t in places)


def _places(count: int) -> list[int]:
    """Places spread evenly, and those around powers of two."""
    powers = (2**power + off for power in range(count.bit_length()) for off in (-2, -1, 0))
    return sorted({*range(0, count, max(1, count // PLACES)), *(t for t in powers if 0 <= t < count), count - 1})


def _by_gradient(fresh: FreshModel, length: int) -> str | None:
    """What leaks by gradient; None where nothing does, or where gradients cannot be looked at."""
    model, subject = fresh.build(), fresh.subject
    for t in sorted({0, subject.context // 2, subject.context, length // 2}):
        try:
            with isolated(CPU, seed=0):
                strongest = gradient_by_position(model, 2, length, at=t)
        except Exception:  # a model that does more with tokens than to look them up; changing them was the test
            return None
        later = strongest[t + 1 :].max().item()
        if later > FADED[subject.precise_dtype] * strongest.max().item():
            return f"Logits at t={t} have a gradient of {later:.2g} from a later token."
    return None


def _by_statistics(subject: Subject, T: int) -> float:
    """How much later tokens change earlier logits where batch statistics are those of the batch."""
    fresh, tokens = FreshModel(subject, training=True), subject.tokens(4, T)
    return fresh.change(fresh(tokens), tokens, subject.other_tokens(tokens), torch.full((4,), T // 2))


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
