"""Train K replicas of one architecture as a stack, with one batched product in place of K small ones.

Each replica has its own weights, running statistics, batches, learning rate, weight decay, clipping and divergence.
Replicas are independent: a diverged one is still computed, and its losses are ignored.

A replica computes what it would compute alone, up to the last digits, with three exceptions. Batches of packed
documents are filled up to one length (`zoo.training.stacked.filling`), so BatchNorm counts some positions twice. Random
numbers (dropout) are drawn for all replicas at once, so they differ from those of a replica alone. Autocast to bfloat16
leaves convolutions and sums with biases in float32. Such a stack trains well, but only on request, and `Fit.execution`
says how it differs.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from zoo.blame import describe_error, own_lines
from zoo.data.rows import Batch, Rows
from zoo.errors import UsageError
from zoo.models.auxiliary import adds_loss
from zoo.models.interface import SequenceModel
from zoo.training.cuda_graph import capture
from zoo.training.device import autocast
from zoo.training.goal import Finish
from zoo.training.loop import Loop, draw
from zoo.training.observer import Observer
from zoo.training.optimizers.find import find_optimizer
from zoo.training.optimizers.groups import parameter_rules
from zoo.training.optimizers.hidden import hidden_matrices
from zoo.training.replica import Fit, Progress, Replica
from zoo.training.run_state import Keeper, NoKeeper
from zoo.training.settings import Settings
from zoo.training.stacked.filling import stack_batches
from zoo.training.stacked.stack import Stack
from zoo.training.stacked.stackable import DRAWS, layout_of, why_not_stacked
from zoo.training.stacked.update import StackedUpdate


def fit_stacked(
    models: Sequence[SequenceModel],
    train: Rows,
    validation: Rows,
    settings: Sequence[Settings],
    *,
    seeds: Sequence[int],
    device: torch.device,
    report: Callable[[int, Progress], None] = lambda _, __: None,
    evaluation_model: SequenceModel | None = None,
    build: Callable[[int], SequenceModel] | None = None,
    keeper: Keeper | None = None,
    finish: Finish | None = None,
    observers: Sequence[Observer] = (),
) -> list[Fit]:
    """Train K models in place as one stack; each ends with the weights that were best on validation.

    Args:
        train: rows on the device, or on the CPU, from which all batches are copied to the device as one; that is faster
            than drawing K small ones there.
        settings: one per model; they may differ only in `lr`, `weight_decay`, `warmup` and `clip`.
        seeds: seeds of the batches, one per model.
        report: receives the number of a replica and its progress.
        evaluation_model: as in `Replica`, one for all.
        build: builds another model of a number in its initial state, on the CPU; default: a copy.
        keeper, finish: as in `fit`. A replica that has solved its task is still computed, like a diverged one.
        observers: one for each model, or none.

    Returns:
        A `Fit` per model. Seconds are those of the whole stack.

    Raises:
        UsageError: the models or settings cannot form a stack, or the budget is in seconds.
    """
    _check(models, settings, seeds)
    layout = layout_of(draw(train, settings[0], seeds[0], 0))
    again = build or (lambda number: copy.deepcopy(models[number]).cpu())
    unlike = why_not_stacked(lambda number: again(number % len(models)), [layout], settings[0].dtype)
    for model in models:
        model.train()
    stacked_step = StackedStep(models, settings, device)
    step = capture(stacked_step, device)
    replicas = [
        Replica(model, own, seed, partial(report, k), evaluation_model, finish=finish)
        for k, (model, own, seed) in enumerate(zip(models, settings, seeds, strict=True))
    ]

    def update(batches: Sequence[Batch], rates: Sequence[float]) -> Tensor:
        return step(stack_batches(batches, step.multiple), torch.tensor(rates, dtype=torch.float64))

    loop = Loop(replicas, update, stacked_step.update.tensors(), device, keeper or NoKeeper(), observers)
    try:
        seconds = loop.run(train, validation)
    finally:
        stacked_step.stack.part()
    if not unlike and loop.drew:
        unlike = DRAWS  # in a later step, or on larger batches, than the trial
    execution = f"{step.execution}, unlike runs alone: {unlike}" if unlike else step.execution
    return [replica.finish(seconds, execution) for replica in replicas]


class StackedStep:
    """Forward, backward, clip, update of K models; `TrainStep` does it for one."""

    execution, multiple = "stacked", 1

    def __init__(self, models: Sequence[SequenceModel], settings: Sequence[Settings], device: torch.device) -> None:
        takes_matrices = find_optimizer(settings[0].optimizer).kind.takes_matrices
        apart = hidden_matrices(models[0], models[0].vocab_size) if takes_matrices else set[str]()
        self.stack = Stack(models, apart)
        self.update = StackedUpdate(self.stack.flat, self.stack.shapes, parameter_rules(models[0]), apart, settings)
        self.precision = lambda: autocast(device, settings[0].dtype)

    def __call__(self, batch: Batch, lr: Tensor) -> Tensor:
        """Make one update on a stacked batch at (K,) learning rates; return the losses before it, on the device.

        They are (K,), or (K, 2) with the auxiliary losses.

        Raises:
            UsageError: vmap cannot run the model; the message says why.
        """
        try:
            with self.precision():
                losses = self.stack.losses(batch)
            gradient = self.stack.gradient(losses)
        except (RuntimeError, ValueError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            kind = type(self.stack.models[0])
            what = f"{kind.__name__} cannot be trained as a stack: {describe_error(error)}."
            raise UsageError("\n  ".join([what, *own_lines(error, kind.__module__)])) from error
        self.update.step(gradient, lr)
        return losses.report(auxiliary=adds_loss(self.stack.models[0]))


def _check(models: Sequence[SequenceModel], settings: Sequence[Settings], seeds: Sequence[int]) -> None:
    if not len(models) == len(settings) == len(seeds) >= 1:
        raise UsageError(
            f"A stack needs as many settings and seeds as models, not {len(models)} models, "
            f"{len(settings)} settings and {len(seeds)} seeds."
        )
    kinds = {(type(model), repr(model.config), model.vocab_size, model.context) for model in models}
    if len(kinds) > 1:
        names = ", ".join(sorted({f"{type(model).__name__} with {model.config!r}" for model in models}))
        raise UsageError(f"A stack is of one architecture and one size, not of {names}.")
    common = {replace(own, lr=0.0, weight_decay=0.0, warmup=0.0, clip=0.0) for own in settings}
    if len(common) > 1:
        raise UsageError("The replicas of a stack may differ in lr, weight_decay, warmup and clip, in nothing else.")
    if settings[0].compile:
        raise UsageError("torch.compile is for one model at a time, not for a stack.")
    if settings[0].seconds is not None:
        raise UsageError("A budget of seconds is for one model at a time: replicas of a stack would share the clock.")
