"""Time K seeds of small models as a stack, against one after the other, on the device at hand.

Both ways draw their batches and take whole steps, timed in turns; the table gives the speed-up by the stack (a ratio
below 1: slower).
"""

from statistics import median

import pytest
import torch
from conftest import Fresh
from harness import settings
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Pivot
from timing import Work, device_name, seconds

from zoo.catalog import MODELS
from zoo.data.corpus import Corpus
from zoo.data.rows import Rows
from zoo.models.interface import SequenceModel
from zoo.training.cuda_graph import capture
from zoo.training.device import resolve_device
from zoo.training.stacked.filling import fill, round_up, stack_batches
from zoo.training.stacked.fit import StackedStep
from zoo.training.stacked.stackable import why_not_stacked
from zoo.training.step import TrainStep

REPLICAS = (1, 2, 4, 8, 16, 32)
BATCH_SIZE = 32
SETTINGS = settings(BATCH_SIZE)
TABLE = Pivot(f"K seeds as a stack, times faster than one after the other, on {device_name(resolve_device('auto'))}")


def side_by_side(models: list[SequenceModel], rows: Rows, device: torch.device) -> Work:
    """Make a step of all models as one stack."""
    step, number = capture(StackedStep(models, [SETTINGS] * len(models), device), device), 0
    rates = torch.full((len(models),), SETTINGS.lr)

    def work() -> None:
        nonlocal number
        step(stack_batches([rows.batch(k, number, BATCH_SIZE) for k in range(len(models))], step.multiple), rates)
        number += 1

    return work


def in_turn(models: list[SequenceModel], rows: Rows, device: torch.device) -> Work:
    """Make a step of each model, one after the other."""
    steps, number = [capture(TrainStep(model, SETTINGS, device), device) for model in models], 0

    def work() -> None:
        nonlocal number
        for k, step in enumerate(steps):
            batch = rows.batch(k, number, BATCH_SIZE)
            step(fill(batch, round_up(len(batch.tokens), step.multiple)), SETTINGS.lr)
        number += 1

    return work


@pytest.mark.long
@pytest.mark.parametrize("replicas", REPLICAS)
@pytest.mark.parametrize("name", MODELS.names())
def bench_seeds(benchmark: BenchmarkFixture, fresh: Fresh, corpus: Corpus, name: str, replicas: int) -> None:
    """Time a step of `replicas` seeds both ways."""
    if why := why_not_stacked(lambda _: fresh(name)):
        pytest.skip(f"{name} cannot be stacked: {why}")
    device = resolve_device("auto")
    rows = corpus.rows("train", length=64, device=device)
    together, alone = (
        way([fresh(name).to(device).train() for _ in range(replicas)], rows, device) for way in (side_by_side, in_turn)
    )
    for work in (together, alone) * 4:  # the fourth call records a captured step
        work()
    turns = [(seconds(alone, device), seconds(together, device)) for _ in range(5)]
    ratio = median(slow / fast for slow, fast in turns)
    benchmark.pedantic(together, rounds=5, warmup_rounds=1, iterations=1)
    benchmark.extra_info.update(ratio=ratio, seconds_a_step=turns[2][1])
    TABLE.put(name, replicas, f"{ratio:.2f}×")
