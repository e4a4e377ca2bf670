"""Trace what a model computes: every layer in the order in which it is called, with named shapes, size and cost.

Three passes: one of the batch, in training mode; one that counts its FLOPs; and one of other sizes, which names axes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor

from zoo.errors import StrangerError
from zoo.models.auxiliary import keep_nothing
from zoo.models.interface import SequenceModel
from zoo.packing import Packing
from zoo.probes.axes import Sizes, name_axes, name_fused
from zoo.probes.flow import find_sources
from zoo.probes.recorder import Call, Recorder
from zoo.probes.values import Form, Layer, Side, Trace


def trace_model(model: SequenceModel, tokens: Tensor, form: Form | None = None, *, name: str = "") -> Trace:
    """Trace a model on tokens (B, T), in training mode; a stream's step in evaluation mode.

    Args:
        model: a model of its own, on the CPU; its running statistics change.
        form: what runs; None: rows, and windows where a model cuts rows into windows.

    Raises:
        Exception: any exception of the model.
    """
    chosen: Form = form or "rows"
    more = _other_sizes(model, tokens, chosen)
    if form is None and more and _cuts_windows(*more):
        return trace_model(model, tokens, "tree", name=name)
    passed = _pass(model, tokens, chosen)
    other, others = more or (tokens, passed.calls)
    sizes = _pair_sizes(chosen, tokens, other)
    found = _describe(passed.calls, others, sizes, None if tokens.shape[1] != other.shape[1] else tokens.shape[1])
    counted = _pass(model, tokens, chosen, count=True)
    flops = {key: call.flops for key, call in _keyed(counted.calls)}
    layers = [
        layer.model_copy(update={"flops": flops.get(key, 0)})
        for (key, _), layer in zip(_keyed(passed.calls), found, strict=True)
    ]
    return Trace(
        model=name or type(model).__name__,
        form=chosen,
        sizes={letter: pair[0] for letter, pair in sizes.items()},
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        uncounted=counted.uncounted,
        layers=tuple(layers),
    )


def _pass(model: SequenceModel, tokens: Tensor, form: Form, *, count: bool = False) -> Recorder:
    """Record a pass of which no loss is computed."""
    with keep_nothing(model):
        return record_pass(model, tokens, form, count=count)[0]


def record_pass(
    model: SequenceModel,
    tokens: Tensor,
    form: Form,
    *,
    count: bool = False,
    observe: Callable[[Call], None] | None = None,
) -> tuple[Recorder, Tensor]:
    """Run one pass of tokens (B, T), seeded; return its calls, and its logits: (B, T, V), (B, V) or (M, V).

    Raises:
        StrangerError: the model returns no logits.
        Exception: any exception of the model.
    """
    recorder, training = Recorder(model, count=count, observe=observe), form != "step"
    model.train(training)
    with torch.set_grad_enabled(training), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given, run = _prepare(model, tokens, form)
        with recorder.watch():
            if form == "rows":
                return recorder, _check_logits(run(), model, tuple(tokens.shape))
            with recorder.call("", "", model, given) as own:
                logits = _check_logits(run(), model, tuple(given.shape[:1]))
                own.made = [logits]
    return recorder, logits


def _check_logits(logits: object, model: SequenceModel, shape: tuple[int, ...]) -> Tensor:
    """Return logits of these positions.

    Raises:
        StrangerError: they are something else.
    """
    wanted = (*shape, model.vocab_size)
    if isinstance(logits, Tensor) and logits.is_floating_point() and tuple(logits.shape) == wanted:
        return logits
    found = f"{logits.dtype} of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
    raise StrangerError(f"Model '{type(model).__name__}' returns {found}, not logits of shape {wanted}.")


def _prepare(model: SequenceModel, tokens: Tensor, form: Form) -> tuple[Tensor, Callable[[], Tensor]]:
    """Return the tokens that a pass is given, and the pass."""
    if form == "rows":
        return tokens, partial(model, tokens)
    if form == "tree":
        return tokens, partial(model.last, tokens)
    if form == "packed":
        packing = Packing.of(torch.full((len(tokens),), tokens.shape[1]))
        packed = packing.pack(tokens)
        return packed, partial(model.packed, packed, packing)
    state = model.begin(len(tokens))
    if tokens.shape[1] > 1:
        _, state = model.prefill(tokens[:, :-1], state)
    return tokens[:, -1], lambda: model.step(tokens[:, -1], state)[0]


def _other_sizes(model: SequenceModel, tokens: Tensor, form: Form) -> tuple[Tensor, list[Call]] | None:
    """Pass tokens of another B and T; windows keep their T. None if the model takes no other."""
    rows, length = tokens.shape
    more = rows + (2 if rows == length == 1 else 1)  # so that no two letters change alike
    for other in (length,) if form == "tree" else (2 * length, max(length // 2, 1)):
        draw = torch.Generator().manual_seed(0)
        given = torch.randint(model.vocab_size, (more, other), generator=draw)
        with suppress(Exception):
            return given, _pass(model, given, form).calls
    return None


def _cuts_windows(tokens: Tensor, calls: Sequence[Call]) -> bool:
    """Whether a layer returns one row for every position of the tokens: the model runs window by window."""
    return any(tensor.ndim > 2 and len(tensor) == tokens.numel() for call in calls for tensor in call.made)


def _pair_sizes(form: Form, tokens: Tensor, other: Tensor) -> Sizes:
    """The sizes that each letter has in both passes."""
    (rows, length), (own_rows, own_length) = tokens.shape, other.shape
    sizes = {"b": (rows, own_rows)}
    if form == "packed":
        sizes["m"] = (rows * length, own_rows * own_length)
    return sizes if form == "tree" else {**sizes, "t": (length, own_length)}


def _describe(calls: Sequence[Call], others: Sequence[Call], sizes: Sizes, length: int | None) -> list[Layer]:
    """Describe the calls of a pass, with axes named by the same calls of the other."""
    known, layers = dict(_keyed(others)), []
    for (key, call), sources in zip(_keyed(calls), find_sources(calls), strict=True):
        other = known.get(key)
        given = _sides(call.given, other.given if other else (), sizes, length)
        made = _sides(call.made, other.made if other else (), sizes, length)
        parameters = sum(parameter.numel() for parameter in call.module.parameters()) if call.module else 0
        if given and made and not parameters:
            made[0] = made[0].model_copy(update={"axes": tuple(name_fused(given[0].axes, made[0].axes))})
        layers.append(
            Layer(
                name=call.name, kind=call.kind, depth=call.depth, given=tuple(given), made=tuple(made),
                parameters=parameters, flops=call.flops, saved_bytes=call.saved, sources=sources,
            )
        )  # fmt: skip
    return layers


def _sides(tensors: Sequence[Tensor], others: Sequence[Tensor], sizes: Sizes, length: int | None) -> list[Side]:
    """Describe tensors, with axes named by those of the other pass."""
    return [
        Side(
            shape=tuple(tensor.shape),
            axes=tuple(name_axes(tensor, others[place] if place < len(others) else None, sizes, length)),
            dtype=str(tensor.dtype).removeprefix("torch."),
        )
        for place, tensor in enumerate(tensors)
    ]


def _keyed(calls: Sequence[Call]) -> Iterator[tuple[tuple[str, int], Call]]:
    """Yield every call under its name and its number among the calls of that name."""
    numbers = Counter[str]()
    for call in calls:
        yield (call.name, numbers[call.name]), call
        numbers[call.name] += 1
