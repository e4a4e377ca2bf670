"""The training loop: `fit` trains one model, `advance` is the loop that one model and a stack of models share.

It prints nothing and touches no files: progress goes to a callback.
"""

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows
from zoo.models.interface import SequenceModel
from zoo.training.cuda_graph import capture
from zoo.training.device import Stopwatch
from zoo.training.optimizer import learning_rate
from zoo.training.replica import Fit, Point, Progress, Replica
from zoo.training.settings import Settings
from zoo.training.stacked.filling import fill, round_up
from zoo.training.stacked.stackable import why_not_filled
from zoo.training.step import TrainStep, logits_of

__all__ = ["READ_EVERY", "Fit", "Point", "Progress", "Settings", "TrainStep", "advance", "draw", "fit", "logits_of"]

READ_EVERY = 25
"""Steps between two reads of the losses: a read is a host-device synchronisation."""


def fit(
    model: SequenceModel,
    train: Rows,
    validation: Rows,
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[Progress], None] = lambda _: None,
    evaluation_model: SequenceModel | None = None,
) -> Fit:
    """Train `model` in place and leave it with the weights that were best on validation.

    Args:
        train, validation: rows on the device.
        seed: of the batches.
        report: called with the progress after every few steps and after every evaluation.
        evaluation_model: as in `Replica`.
    """
    model.train()
    train_step = TrainStep(model, settings, device)
    step = capture(train_step, device)
    replica = Replica(model, settings, seed, report, evaluation_model)
    fills = step.multiple > 1 and draw(train, settings, seed, 0).packing is not None
    unlike = why_not_filled(lambda _: copy.deepcopy(model).cpu()) if fills else None

    def update(batches: Sequence[Batch], rates: Sequence[float]) -> Tensor:
        return step(fill(batches[0], round_up(len(batches[0].tokens), step.multiple)), rates[0])

    seconds = advance([replica], update, train, validation, device)
    replica.fit.compile_seconds = train_step.compile_seconds
    return replica.finish(seconds, f"{step.execution}, unlike eager steps: {unlike}" if unlike else step.execution)


def advance(
    replicas: Sequence[Replica],
    step: Callable[[Sequence[Batch], Sequence[float]], Tensor],
    train: Rows,
    validation: Rows,
    device: torch.device,
) -> float:
    """Train until the budget is spent or every replica has diverged; returns the seconds without evaluations.

    Args:
        replicas: K of them; the settings of the first give budget and evaluations, those of each its learning rate.
        step: an update of all K on the batch and at the learning rate of each; returns their losses, K on the device.
    """
    clock, settings = Stopwatch(device), replicas[0].settings
    steps, next_evaluation = 0, 0  # evaluation 0 is of the untrained model
    unread: list[Tensor] = []  # losses that are still on the device
    while True:
        spent = settings.spent(steps, clock.seconds)
        due = spent * settings.evaluations + 1e-9 >= next_evaluation
        if unread and (due or len(unread) == READ_EVERY):
            _read_losses(unread, replicas, spent, report=not due)
        if due:
            clock.stop()
            for replica in replicas:
                if not replica.diverged:
                    replica.evaluate(validation, spent, clock.seconds, device)
            next_evaluation = math.floor(spent * settings.evaluations + 1e-9) + 1
        if spent == 1 or all(replica.diverged for replica in replicas):
            clock.stop()
            return clock.seconds
        if due:
            clock.start()
        batches = [draw(train, settings, replica.seed, steps) for replica in replicas]
        middle = settings.spent(steps + 0.5, clock.seconds)  # of the step, so that the first one moves too
        unread.append(step(batches, [_rate(replica.settings, middle) for replica in replicas]))
        for replica, batch in zip(replicas, batches, strict=True):
            if not replica.diverged:
                replica.count_step(batch)
        steps += 1


def _read_losses(unread: list[Tensor], replicas: Sequence[Replica], spent: float, *, report: bool) -> None:
    """Move the losses off the device, (K,) a step, and hand each replica its own; `report` tells its last one."""
    losses = torch.stack(unread).view(len(unread), len(replicas)).T.tolist()
    unread.clear()
    for replica, own in zip(replicas, losses, strict=True):
        if not replica.diverged:
            replica.read_losses(own)
        if report and not replica.diverged:
            replica.report(Progress(spent, own[-1], None))


def draw(train: Rows, settings: Settings, seed: int, step: int) -> Batch:
    """The batch of a step: whole rows, or windows where the settings have a window."""
    if settings.window is None:
        return train.batch(seed, step, settings.batch_size)
    return train.windows(seed, step, settings.batch_size, settings.window)


def _rate(settings: Settings, share: float) -> float:
    return learning_rate(share, peak=settings.lr, schedule=settings.schedule, warmup=settings.warmup)
