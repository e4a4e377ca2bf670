"""Check that streaming gives the logits of `forward`, and that the state holds everything a stream needs."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo.conformance.check import Check, Finding, failure, note_place
from zoo.conformance.subject import Subject, compute_logits, relative_difference
from zoo.models.interface import SequenceModel, State

LONG = 150
"""Length of a stream if the model looks further back: ring buffers must wrap around, caches must grow."""
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Largest relative difference between streamed logits and those of `forward`."""


@torch.no_grad()
def find(subject: Subject) -> Iterator[Finding]:
    """Feed streams of at least 3N tokens through combinations of step and prefill; then check `last` and the state."""
    field = subject.build().receptive_field
    T = max(subject.beyond(3) + 2, LONG if field is None else min(2 * field + subject.context, LONG))
    for dtype in dict.fromkeys((torch.float32, subject.precise_dtype)):
        model, tokens = subject.build_perturbed(dtype), subject.tokens(3, T)
        dense = compute_logits(model, tokens)
        for B in (3,) if subject.long else (1, 3):
            for parts in _partitions(T, B, subject, dtype):
                with note_place(f"with {_describe_parts(parts)} on {B} stream{'s' * (B > 1)}"):
                    streamed, places = _feed(model, tokens[:B], parts)
                if streamed.shape != (B, len(parts), subject.vocab_size):
                    given = tuple(streamed[:, 0].shape)
                    yield failure(f"step and prefill give logits {given}, not (B, V), here {(B, subject.vocab_size)}.")
                    return
                differences = [relative_difference(dense[:B, place], streamed[:, i]) for i, place in enumerate(places)]
                if max(differences) > TOLERANCE[dtype]:
                    first = next(place for place, d in zip(places, differences, strict=True) if d > TOLERANCE[dtype])
                    yield failure(
                        f"With {_describe_parts(parts)} logits differ from those of forward by {max(differences):.2g} "
                        f"({str(dtype).removeprefix('torch.')}), first at t={first} of {T}: the state lacks something "
                        "that forward sees, or holds it at the wrong place."
                    )
                    return
        if (difference := relative_difference(dense[:, -1], model.last(tokens))) > TOLERANCE[dtype]:
            yield failure(f"last gives other logits than the last ones of forward, by {difference:.2g}.")
            return
    yield from _check_states(model, tokens, dense, subject)


def _partitions(length: int, B: int, subject: Subject, dtype: torch.dtype) -> list[list[int]]:
    """Return ways to divide a stream, each a list of part lengths.

    Token by token takes long: once from the start and once after a prefill, alternating, so that each meets each dtype
    and each number of streams; a long row goes token by token in one dtype only.
    """
    context, precise = subject.context, dtype is subject.precise_dtype
    alone, joined = [1] * length, [context + 1] + [1] * (length - context - 1)
    parts = [[length], [1, context, 1, length - context - 2]]
    if subject.long:
        return [alone, *parts] if precise else parts
    return [alone if precise == (B > 1) else joined, *parts]


def _describe_parts(parts: Sequence[int]) -> str:
    if set(parts) == {1}:
        return "step alone"
    return "prefill alone" if len(parts) == 1 else "prefill and step"


def _feed(model: SequenceModel, tokens: Tensor, parts: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Return the logits after every part, (B, parts, V), and their positions."""
    state, logits, places, start = model.begin(len(tokens)), [], [], 0
    for size in parts:
        part = tokens[:, start : start + size].clone()
        result, state = model.step(part[:, 0], state) if size == 1 else model.prefill(part, state)
        logits.append(result)
        start += size
        places.append(start - 1)
    return torch.stack(logits, dim=1), places


def _check_states(model: SequenceModel, tokens: Tensor, dense: Tensor, subject: Subject) -> Iterator[Finding]:
    """Check that a state is a dict of tensors, batch first, independent of other streams, copyable, bounded."""
    half, close = tokens.shape[1] // 2, TOLERANCE[subject.precise_dtype]
    fresh = model.begin(3)
    if not isinstance(fresh, dict):
        yield failure(f"begin gives a {type(fresh).__name__}, not a dict of tensors.")
        return
    _, state = model.prefill(tokens[:, :half].contiguous(), model.begin(3))
    values = [*fresh.items(), *state.items()]
    wrong = next((f"'{name}'" for name, value in values if not _is_batch_first(value, 3)), None)
    if wrong is not None:
        yield failure(f"{wrong} of a state of 3 streams is not a tensor whose first axis is the stream.")
        return
    saved = clone_state(state)
    model.step(subject.other_tokens(tokens[:, half]), state)
    model.prefill(subject.other_tokens(tokens), model.begin(3))  # an interleaved stream
    if relative_difference(model.step(tokens[:, half], clone_state(saved))[0], dense[:, half]) > close:
        yield failure(
            "A stream continued from a copy of its state gets other logits: something is kept outside of the state."
        )
        return
    turned = {name: value.flip(0) for name, value in saved.items()}
    if relative_difference(model.step(tokens[:, half].flip(0), turned)[0].flip(0), dense[:, half]) > close:
        yield failure(
            "Exchanging rows of the state does not exchange the streams: a row must hold all that its stream needs."
        )
        return
    for device in ["cuda"] if torch.cuda.is_available() else []:
        moved = {name: value.to(device) for name, value in saved.items()}
        there, _ = model.to(device).step(tokens[:, half].to(device), moved)
        model.to("cpu")
        if relative_difference(there.cpu(), dense[:, half]) > 1e-5:
            yield failure(f"A stream continued from its state on {device} gets other logits.")
            return
    if model.bounded_state and (grown := _describe_growth(model, subject)):
        yield failure(
            f"{grown}, but it declares a bounded one (bounded_state, by default True if it has a receptive field)."
        )


def clone_state(state: State) -> State:
    """Copy a state into new memory."""
    return {name: value.clone() for name, value in state.items()}


def _describe_growth(model: SequenceModel, subject: Subject) -> str | None:
    """Describe how the state grows after a stream exceeds the receptive field; None if it does not."""
    tokens = subject.tokens(1, max(subject.context, model.receptive_field or 0, LONG) + 1)
    state, sizes = model.begin(1), []
    for _ in range(3):
        _, state = model.prefill(tokens, state)
        _, state = model.step(tokens[:, 0], state)
        sizes.append(sum(value.numel() * value.element_size() for value in state.values()))
    return f"The state of a stream grows from {sizes[0]:,} to {sizes[-1]:,} bytes" if sizes[-1] > sizes[0] else None


def _is_batch_first(value: object, size: int) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == size


CHECK = Check(
    "streaming",
    "step and prefill give the logits of forward.",
    find,
    needs=("shape", "determinism", "causality", "independence", "padding", "field"),
)
