"""Time training and evaluation of models; they alternate, so that noise of the machine affects all alike."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from zoo.data.corpus import Corpus
from zoo.data.rows import DocumentRows, Rows, StreamRows
from zoo.data.tokens import Tokens
from zoo.experiments.runs.budget import row_length
from zoo.experiments.runs.count import fit_to
from zoo.experiments.runs.resolve import Cell
from zoo.models.interface import is_counted
from zoo.surroundings import isolated
from zoo.training.cuda_graph import capture
from zoo.training.device import Stopwatch
from zoo.training.evaluation import MAX_TOKENS, evaluate
from zoo.training.loop import TrainStep, draw
from zoo.training.stacked.filling import stack_batches
from zoo.training.stacked.fit import StackedStep

TURNS = 7
"""Timed turns of each model, after one for warm-up."""
SECONDS_A_TURN = 0.03
LIMIT = 0.6
"""Seconds after which a model gets no more turns, if at least one was timed."""
EVALUATED = MAX_TOKENS
"""Approximate number of validation targets that are evaluated."""

Work = Callable[[], int]
"""Performs one unit of work; returns its number of target tokens."""


class Speed(NamedTuple):
    """Medians over turns: seconds per unit of work, and target tokens per second."""

    seconds: float
    tokens_per_second: float


def measure_training(cells: Sequence[Cell], corpus: Corpus) -> dict[str, Speed | Exception]:
    """Return label -> speed of steps (draw the batch, forward, backward, update) of a fresh model, or its exception."""
    rows = cache(lambda length, device: corpus.rows("train", length=length, device=device))
    return measure_in_turns(cells, lambda cell: make_steps(cell, corpus, rows(row_length(cell.config), cell.device)))


def make_steps(cell: Cell, corpus: Corpus, train: Rows) -> Work:
    """Make the work of one training step of a fresh model."""
    model = cell.build().to(cell.device)
    train_step, steps = TrainStep(model, cell.settings, cell.device), itertools.count()

    def step() -> int:
        batch = draw(train, cell.settings, cell.config.batch_seed, next(steps))
        train_step(batch, cell.settings.lr)
        return batch.target_count

    return step


def make_stacked_steps(cell: Cell, count: int, corpus: Corpus) -> Work:
    """Make the work of one training step of `count` fresh replicas as a stack."""
    train = corpus.rows("train", length=row_length(cell.config), device=cell.device)
    models = [cell.build().to(cell.device).train() for _ in range(count)]
    stacked_step, steps = StackedStep(models, [cell.settings] * count, cell.device), itertools.count()
    step, rates = capture(stacked_step, cell.device), torch.full((count,), cell.settings.lr, dtype=torch.float64)

    def work() -> int:
        number = next(steps)
        batches = [draw(train, cell.settings, seed, number) for seed in range(count)]
        step(stack_batches(batches, step.multiple), rates)
        return sum(batch.target_count for batch in batches)

    return work


def measure_evaluation(cells: Sequence[Cell], corpus: Corpus) -> dict[str, Speed | Exception]:
    """Return label -> speed of evaluating a part of validation with a fresh model, or its exception."""
    rows = cache(lambda length, device: take_validation_part(corpus, length, device))

    def prepare(cell: Cell) -> Work:
        model = cell.build()
        if is_counted(cell.model.kind):
            fit_to(model, corpus)
        model.to(cell.device)
        part = rows(row_length(cell.config), cell.device)

        def score() -> int:
            evaluate(model, part, device=cell.device, dtype=cell.settings.dtype)
            return part.targets

        return score

    return measure_in_turns(cells, prepare)


def take_validation_part(corpus: Corpus, length: int, device: torch.device) -> Rows:
    """Return about the first `EVALUATED` tokens of the validation split, or all of a smaller one."""
    texts = corpus.tokens["validation"]
    if corpus.is_stream:
        return StreamRows(Tokens.of([texts[0][:EVALUATED]], texts.flat.dtype), length, device)
    lengths = texts.locate(np.arange(min(EVALUATED, len(texts))))[1]
    taken = 1 + int(np.searchsorted(lengths.cumsum(), EVALUATED))
    return DocumentRows(texts.take_first(taken), device)


def measure_in_turns(cells: Sequence[Cell], prepare: Callable[[Cell], Work]) -> dict[str, Speed | Exception]:
    """Return label -> speed of the work that `prepare` makes for a cell, or the exception that ended it."""
    turns = {cell.config.label: _take_turns(cell, prepare) for cell in cells}
    timed: dict[str, list[Speed]] = {label: [] for label in turns}
    failed: dict[str, Exception] = {}
    while turns:
        for label, own in list(turns.items()):
            try:
                timed[label].append(next(own))
            except StopIteration:
                del turns[label]
            except Exception as error:
                failed[label] = error
                del turns[label]
    return {label: failed.get(label) or _take_median(speeds) for label, speeds in timed.items()}


def _take_turns(cell: Cell, prepare: Callable[[Cell], Work]) -> Iterator[Speed]:
    """Yield the speed of each turn; the first, for preparation and warm-up, is not yielded."""
    spent, work = 0.0, None
    for turn in range(1 + TURNS):
        with isolated(cell.device, threads=cell.config.training.threads, seed=cell.config.batch_seed):
            clock, done, tokens = Stopwatch(cell.device), 0, 0
            work = work or prepare(cell)
            clock.start()
            while not done or (clock.seconds < SECONDS_A_TURN and spent < LIMIT):
                tokens += work()
                done += 1
            clock.stop()
        spent += clock.seconds
        if turn:
            yield Speed(clock.seconds / done, tokens / clock.seconds)
        if turn and spent > LIMIT:
            return


def _take_median(speeds: Sequence[Speed]) -> Speed:
    return Speed(median(speed.seconds for speed in speeds), median(speed.tokens_per_second for speed in speeds))


def get_speed(speeds: Mapping[str, Speed | Exception], label: str) -> Speed:
    """Return the speed of a model.

    Raises:
        Exception: the exception that ended its timing.
    """
    speed = speeds[label]
    if isinstance(speed, Exception):
        raise speed
    return speed
