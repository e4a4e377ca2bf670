"""Check that logits at t depend only on tokens up to t: change later tokens, and measure gradients."""

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
"""Gradients up to this fraction of the largest count as rounding, for example that of a Fourier transform."""
LONG, PLACES = 150, 16
"""Minimum length of a long row; approximate number of cuts per row, in addition to those near powers of two."""
SHORT = 64
"""Maximum length of rows that are cut twice at each place: once with all V token values, once with `FEW`."""
FEW = 4
"""Number of token values in half of the rows. They include the boundary, where a model may forget the past."""


def find(subject: Subject) -> Iterator[Finding]:
    """Try rows shorter and longer than N, and evaluation batches; in both modes, with and without gradients."""
    N, probed = subject.context, subject.beyond(3) + 2
    exact = FreshModel(subject)
    scored, recorded = replace(exact, dtype=torch.float32), replace(exact, gradients=True, dtype=subject.further_dtype)
    lengths = sorted({max(2, N - 3), probed, 3 * N + 2} | (set() if subject.long else {max(2, N), max(probed, LONG)}))
    ways = [(exact, None, T) for T in lengths] + [(scored, B, T) for B, T in SCORED] + [(recorded, None, probed)]
    for fresh, B, T in ways:
        largest, at = find_leak(fresh, T, B)
        if largest > fresh.tolerance:
            rows = f" in a batch of {B} rows" if B else ""
            mode = ", where gradients are recorded" if fresh.gradients else ""
            change = f"change the logits at or before it{rows}{mode}, by {largest:.2g}"
            yield failure(f"Tokens after t={at} of {T} {change}. {ADVICE}")
            return
    if leaking := _find_gradient_leak(exact, probed):
        yield failure(f"{leaking} {ADVICE}")
        return
    yield from compare_memory_layouts(exact, probed)
    yield from _check_training(subject, probed)


def _check_training(subject: Subject, T: int) -> Iterator[Finding]:
    """Find leaks in training mode, with batch statistics frozen."""
    names = _freeze_statistics(subject.build())
    fresh = FreshModel(subject, subject.further_dtype, training=True, gradients=True, prepare=_freeze_statistics)
    for way in (fresh,) if subject.long else (fresh, replace(fresh, gradients=False)):
        largest, at = find_leak(way, T)
        if largest > way.tolerance:
            mode = "" if way.gradients else " without gradients"
            aside = f"{', batch statistics aside' if names else ''}; in evaluation mode they do not. {ADVICE}"
            yield failure(
                f"In training mode{mode} tokens after t={at} change the logits at or before it, by {largest:.2g}{aside}"
            )
            return
    if leaking := _find_gradient_leak(fresh, T):
        yield failure(f"In training mode: {leaking} {ADVICE}")
        return
    if not subject.long:
        yield from compare_memory_layouts(fresh, T)
    if names and (largest := _measure_statistics_leak(subject, T)) > subject.tolerance:
        yield remark(
            f"In training mode later tokens change earlier logits by {largest:.2g}, through the batch statistics of "
            f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}, and in no other way."
        )


def find_leak(fresh: FreshModel, T: int, B: int | None = None) -> tuple[float, int]:
    """Return the largest relative change of logits at or before any t when all tokens after t change, and that t.

    First cut every row at a different place: if nothing changes, nothing leaks. A change may also come from other
    rows of the batch, so then cut all rows at the same place, one place after another.

    Args:
        fresh: the model, and how it is called.
        T: length of the rows.
        B: rows of the batch; None for one per place, or two where T is at most `SHORT`.
    """
    subject, documents = fresh.subject, (B, T) in DOCUMENTS
    places = _choose_few_places(T - 1, subject.context) if subject.long else _choose_places(T - 1)
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


def _choose_places(count: int) -> list[int]:
    """Choose evenly spaced places and places near powers of two."""
    powers = (2**power + off for power in range(count.bit_length()) for off in (-2, -1, 0))
    return sorted({*range(0, count, max(1, count // PLACES)), *(t for t in powers if 0 <= t < count), count - 1})


def _choose_few_places(count: int, context: int) -> list[int]:
    """Choose a place in the middle and the last one; of a row of at most 2N tokens also an early one and those at N."""
    places = {count // 2 + 1, count - 1}
    if count < 2 * context:
        places |= {count // 5, context - 1, context}
    return sorted(place for place in places if place < count)


def _find_gradient_leak(fresh: FreshModel, length: int) -> str | None:
    """Describe a leak that gradients show; None if there is none or gradients cannot be measured."""
    model, subject = fresh.build(), fresh.subject
    places = {subject.context} if subject.long else {0, subject.context // 2, subject.context, length // 2}
    for t in sorted(places):
        try:
            with isolated(CPU, seed=0):
                strongest = gradient_by_position(model, 2, length, at=t)
        except Exception:  # tokens are not only an embedding index; find_leak has tested this model
            return None
        later = strongest[t + 1 :].max().item()
        if later > FADED[fresh.dtype or subject.precise_dtype] * strongest.max().item():
            return f"Logits at t={t} have a gradient of {later:.2g} from a later token."
    return None


def _measure_statistics_leak(subject: Subject, T: int) -> float:
    """Return the relative change of earlier logits that later tokens cause through batch statistics."""
    fresh, tokens = FreshModel(subject, training=True), subject.tokens(2 if subject.long else 4, T)
    return fresh.change(fresh(tokens), tokens, subject.other_tokens(tokens), torch.full((len(tokens),), T // 2))


def _freeze_statistics(model: SequenceModel) -> list[str]:
    """Put only the layers with running statistics into evaluation mode; return their names."""
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
