"""A training step as in `fit`: draw the batch, forward, backward, clip, update."""

from collections.abc import Callable
from itertools import count

import torch

from zoo.data.rows import Rows
from zoo.models.interface import SequenceModel
from zoo.training.loop import Settings, TrainStep

SEED = 1


def settings(batch_size: int, clip: float = 1.0) -> Settings:
    """The settings of `compare` that affect the time of a step."""
    return Settings(
        steps=1000,
        batch_size=batch_size,
        optimizer="adamw",
        schedule="constant",
        lr=1e-3,
        weight_decay=0.01,
        warmup=0.0,
        clip=clip,
        evaluations=1,
        dtype="float32",
    )


def stepper(model: SequenceModel, rows: Rows, given: Settings, *, seed: int = SEED) -> Callable[[], int]:
    """Make a function that takes the next training step and returns its number of target tokens."""
    train_step, numbers = TrainStep(model.train(), given, torch.device("cpu")), count()

    def step() -> int:
        number = next(numbers)
        batch = rows.batch(seed, number, given.batch_size)
        train_step(batch, given.rate(number + 0.5, 0.0))
        return batch.target_count

    return step
