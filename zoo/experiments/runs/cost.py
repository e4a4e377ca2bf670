"""Measure the cost of models on fresh copies: FLOPs, speed, memory, state, receptive field."""

import gc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from statistics import median_low
from typing import Any, NamedTuple, TypeVar

import torch

from zoo.data.corpus import Corpus
from zoo.data.rows import Batch, Rows
from zoo.experiments.records.study import Cost
from zoo.experiments.runs.budget import FLOP_BATCHES, row_length
from zoo.experiments.runs.resolve import Cell
from zoo.experiments.runs.timing import Speed, get_speed, measure_evaluation, measure_training
from zoo.models.build import count_buffers
from zoo.models.interface import SequenceModel, State, is_counted
from zoo.probes.flops import FlopCounter, Layout
from zoo.probes.memory import kind_of_memory, peak_memory
from zoo.probes.receptive_field import find_receptive_field
from zoo.surroundings import isolated
from zoo.training.loop import TrainStep, draw

STREAM = 64
"""Minimum tokens of a stream before its state is measured."""
MEMORY_STEPS = 2
"""Number of steps of a memory measurement: the second has the optimizer's state besides activations."""
PEAKS = 3
"""Number of peaks, of which the median counts: allocators retain different amounts each time."""

Value = TypeVar("Value")
MakeModel = Callable[[], SequenceModel]


class Arithmetic(NamedTuple):
    """FLOPs per target token."""

    forward: float
    training: float
    uncounted: tuple[str, ...]
    """Operations not counted, so that the FLOPs are a lower bound."""
    fitted: bool
    """Whether the FLOPs are approximate."""


class StateSize(NamedTuple):
    """Bytes of the state of one stream, and whether it grows with twice the tokens."""

    bytes: int
    grows: bool


def measure_costs(cells: Sequence[Cell], corpus: Corpus) -> dict[str, Cost]:
    """Return label -> cost of the model, from one cell per label; restore random numbers and threads.

    An exception of a model ends only that measurement, and is recorded in `Cost.unmeasured`.
    """
    trained = [cell for cell in cells if not is_counted(cell.model.kind)]
    training, evaluation = measure_training(trained, corpus), measure_evaluation(cells, corpus)
    rows = cache(lambda length, device: corpus.rows("train", length=length, device=device))
    costs = {}
    gc.collect()  # memory after speed: libraries are initialised by then, and the timed models freed
    for cell in cells:
        with isolated(cell.device, threads=cell.config.training.threads, seed=cell.config.batch_seed):
            costs[cell.config.label] = _cost(
                cell,
                cell.build,
                rows(row_length(cell.config), cell.device),
                training,
                evaluation,
            )
    return costs


def _cost(
    cell: Cell,
    fresh: MakeModel,
    rows: Rows,
    training: Mapping[str, Speed | Exception],
    evaluation: Mapping[str, Speed | Exception],
) -> Cost:
    label, unmeasured = cell.config.label, dict[str, str]()

    def attempt(what: str, measure: Callable[[], Value]) -> Value | None:
        try:
            return measure()
        except Exception as error:
            unmeasured[what] = f"{type(error).__name__}: {error}".splitlines()[0]
            return None

    tokens = max(cell.config.context, cell.model.receptive_field or 0, STREAM)
    if is_counted(cell.model.kind):
        return _cost_of_counts(cell, fresh, tokens, attempt, evaluation, unmeasured)
    flops = attempt("FLOPs", lambda: count_flops(fresh(), cell, rows))
    state = attempt("state", lambda: measure_state(fresh(), tokens))
    reach = attempt("receptive field", lambda: find_receptive_field(fresh))
    return Cost(
        parameters=cell.model.parameters,
        buffers=attempt("buffers", lambda: count_trained_buffers(fresh(), fresh(), cell, rows)),
        flops_forward=flops and flops.forward,
        flops_training=flops and flops.training,
        flops_uncounted=flops.uncounted if flops else (),
        flops_fitted=bool(flops and flops.fitted),
        train_tokens_per_second=attempt("training speed", lambda: get_speed(training, label).tokens_per_second),
        evaluation_tokens_per_second=attempt(
            "evaluation speed", lambda: get_speed(evaluation, label).tokens_per_second
        ),
        peak_bytes=attempt("peak memory", lambda: measure_peak(fresh, cell, rows)),
        memory=kind_of_memory(cell.device),
        state_bytes=state and state.bytes,
        state_tokens=tokens,
        state_grows=state and state.grows,
        receptive_field=reach and reach.field,
        probed_tokens=reach and reach.length,
        declared_field=cell.model.receptive_field,
        unmeasured=unmeasured,
    )


def _cost_of_counts(
    cell: Cell,
    fresh: MakeModel,
    tokens: int,
    attempt: Callable[[str, Callable[[], Any]], Any],
    evaluation: Mapping[str, Speed | Exception],
    unmeasured: dict[str, str],
) -> Cost:
    """Cost of a model of counts: no training to measure, and its counts decide how far it looks, up to its bound."""
    speed = attempt("evaluation speed", lambda: get_speed(evaluation, cell.config.label).tokens_per_second)
    state, reach = attempt("state", lambda: measure_state(fresh(), tokens)), cell.model.receptive_field
    return Cost(
        parameters=cell.model.parameters,
        flops_forward=None,
        flops_training=None,
        train_tokens_per_second=None,
        evaluation_tokens_per_second=speed,
        peak_bytes=None,
        memory=kind_of_memory(cell.device),
        state_bytes=state and state.bytes,
        state_tokens=tokens,
        state_grows=state and state.grows,
        receptive_field=reach,
        probed_tokens=None,
        declared_field=reach,
        unmeasured=unmeasured,
    )


def count_flops(model: SequenceModel, cell: Cell, rows: Rows) -> Arithmetic:
    """Return FLOPs of the first training batches, divided by their targets."""
    batches = draw_batches(cell, rows)
    layout: Layout = "windows" if cell.settings.window else "packed" if batches[0].packing else "dense"
    counter, shapes = FlopCounter(model, layout), Counter(batch.shape for batch in batches)
    predicted = sum(batch.target_count for batch in batches)
    forward, training = (counter.total(shapes, backward=backward) / predicted for backward in (False, True))
    found = counter.count(shapes)
    return Arithmetic(forward, training, found.uncounted, found.fitted)


def count_trained_buffers(model: SequenceModel, untrained: SequenceModel, cell: Cell, rows: Rows) -> int:
    """Return the number of buffer elements that the first training step changes."""
    batch = draw(rows, cell.settings, cell.config.batch_seed, 0)
    TrainStep(model.to(cell.device), cell.settings, cell.device)(batch, cell.settings.lr)
    return count_buffers(model, untrained)


def draw_batches(cell: Cell, rows: Rows) -> list[Batch]:
    """Draw the batches of the first steps; a single one if all have the same shape."""
    alike = cell.data.has_equal_rows or cell.settings.window is not None
    return [draw(rows, cell.settings, cell.config.batch_seed, step) for step in range(1 if alike else FLOP_BATCHES)]


def measure_peak(fresh: MakeModel, cell: Cell, rows: Rows) -> int | None:
    """Return peak bytes of building a model and training it on the largest of the first batches.

    For small models, resident pages vary by about a tenth between measurements.
    """
    batch = max(draw_batches(cell, rows), key=lambda batch: batch.shape)

    def train() -> None:
        train_step = TrainStep(fresh().to(cell.device), cell.settings, cell.device)
        for _ in range(MEMORY_STEPS):
            train_step(batch, cell.settings.lr)

    peaks = [peak_memory(train, cell.device) for _ in range(PEAKS)]
    known = [peak for peak in peaks if peak is not None]
    return median_low(known) if known else None


@torch.no_grad()
def measure_state(model: SequenceModel, tokens: int) -> StateSize:
    """Measure the state of one stream after `tokens` tokens, a prefill of all but the last and a step."""
    stream = torch.randint(model.vocab_size, (1, tokens))
    state, sizes = model.eval().begin(1), []
    for _ in range(2):
        if tokens > 1:
            _, state = model.prefill(stream[:, :-1], state)
        _, state = model.step(stream[:, -1], state)
        sizes.append(_bytes(state))
    return StateSize(sizes[0], sizes[1] > sizes[0])


def _bytes(state: State) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())
