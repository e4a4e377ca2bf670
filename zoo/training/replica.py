"""One model in training: its curve, best weights and divergence."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows, Shape
from zoo.models.interface import SequenceModel
from zoo.training.evaluation import evaluate
from zoo.training.goal import Finish
from zoo.training.model_state import copy_state, restore_state, state_of
from zoo.training.outside_state import digest_attributes, find_changes
from zoo.training.settings import Settings


@dataclass(frozen=True)
class Point:
    """One point of the learning curve; `train_loss` is the mean over the steps since the previous point.

    So is `auxiliary_loss`, what the model added to it; None if that was nothing in all of these steps. `score` is what
    the goal of a task is about, on validation; None if the run does not end when it has solved its task.
    """

    step: int
    tokens: int
    seconds: float
    train_loss: float | None
    validation_loss: float
    auxiliary_loss: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Progress:
    """Progress of a run, for the callback: every few steps and after every evaluation."""

    spent: float
    """Fraction of the budget, 0 to 1."""
    train_loss: float | None
    validation_loss: float | None
    note: str = ""
    """A message for the user, such as that the run continues from a checkpoint."""


@dataclass
class Fit:
    """The result of training a model; the model itself has the weights of the best point."""

    curve: list[Point] = field(default_factory=list)
    best: Point | None = None
    steps: int = 0
    tokens: int = 0
    """Number of targets of all steps."""
    seconds: float = 0.0
    """Seconds of training, without evaluations."""
    diverged_at: int | None = None
    """Step of the first loss or auxiliary loss that is not finite."""
    diverged_alone: bool = False
    """Whether in that step only the auxiliary loss was not finite."""
    pruned_at: int | None = None
    """Step after which a trial was pruned."""
    solved_at: int | None = None
    """Step after which the run ended because it had solved its task."""
    shapes: Counter[Shape] = field(default_factory=Counter)
    """Shape of a batch -> number of steps."""
    execution: str = "eager"
    """How steps ran: "eager", "captured" (a CUDA graph), or "eager: " and why not captured. "compiled" or "stacked"
    replaces "eager" or precedes "captured"; differences from plain runs follow as "unlike ..."."""
    compile_seconds: float = 0.0
    """Seconds of the first step, if it was compiled."""
    restarted: list[str] = field(default_factory=list)
    """Attributes of the model that were reset when the run continued from a checkpoint, which lacks them."""
    counted: str | None = None
    """What a model of counts says of its fit; None for one that was trained."""


class Replica:
    """A model in training, its settings, the seed of its batches, and its `Fit` so far.

    Args:
        evaluation_model: another model of the same class that gets the weights for every evaluation, so that the model
            in training never sees validation; None evaluates the model in training.
        prune_above: a validation loss for each evaluation, that of the untrained model first; the run is pruned where
            its best loss so far is above it. None, or no entry: it is not pruned there.
        finish: what ends the run before its budget is spent; None: nothing does.
    """

    def __init__(
        self,
        model: SequenceModel,
        settings: Settings,
        seed: int,
        report: Callable[[Progress], None] = lambda _: None,
        evaluation_model: SequenceModel | None = None,
        prune_above: Sequence[float | None] = (),
        finish: Finish | None = None,
    ) -> None:
        self.model, self.settings, self.seed, self.report = model, settings, seed, report
        self._evaluation_model, self._prune_above, self._finish = evaluation_model, prune_above, finish
        self.fit = Fit()
        self.best_weights = copy_state(model)
        self.recent: list[float] = []
        """Losses since the last evaluation."""
        self.recent_auxiliary: list[float] = []
        """Auxiliary losses since then; empty if the model's class has none."""
        self._attributes = digest_attributes(model)

    def find_outside_state(self) -> list[str]:
        """Return the names of attributes outside of parameters and buffers that have changed, or were reset."""
        return sorted({*self.fit.restarted, *find_changes(self._attributes, self.model)})

    @property
    def diverged(self) -> bool:
        """Whether a loss was not finite."""
        return self.fit.diverged_at is not None

    @property
    def stopped(self) -> bool:
        """Whether the run ends before its budget is spent: it has diverged, was pruned or has solved its task."""
        return self.diverged or self.fit.pruned_at is not None or self.fit.solved_at is not None

    def count_step(self, batch: Batch) -> None:
        """Count a step on this batch. Its loss may still be on the device."""
        self.fit.tokens += batch.target_count
        self.fit.shapes[batch.shape] += 1
        self.fit.steps += 1

    def read_losses(self, losses: Sequence[Sequence[float]]) -> None:
        """Record the loss and any auxiliary loss of the last steps; the first not finite marks divergence."""
        wrong = next((index for index, own in enumerate(losses) if not all(map(math.isfinite, own))), None)
        if wrong is not None:
            self.fit.diverged_at = self.fit.steps - len(losses) + wrong + 1
            self.fit.diverged_alone = math.isfinite(losses[wrong][0])
        for loss, *auxiliary in losses:
            self.recent.append(loss)
            self.recent_auxiliary += auxiliary

    def evaluate(self, validation: Rows, spent: float, seconds: float, device: torch.device) -> None:
        """Evaluate, add a point to the curve and report it; keep the weights if it is the best so far."""
        weights = copy_state(self.model)
        scored = evaluate(self._model_with(weights), validation, device=device, dtype=self.settings.dtype)
        loss = scored.loss
        if not math.isfinite(loss):
            self.fit.diverged_at = self.fit.steps
            return
        train_loss = _mean(self.recent)
        auxiliary_loss = _mean(self.recent_auxiliary) if any(self.recent_auxiliary) else None
        self.recent.clear()
        self.recent_auxiliary.clear()
        score = self._finish.measure(scored) if self._finish else None
        point = Point(self.fit.steps, self.fit.tokens, seconds, train_loss, loss, auxiliary_loss, score)
        self.fit.curve.append(point)
        if self.fit.best is None or loss < self.fit.best.validation_loss:
            self.fit.best = point
            self.best_weights = weights
        self._prune(len(self.fit.curve) - 1, self.fit.best.validation_loss)
        if self._finish and self._finish.ends([point.score for point in self.fit.curve if point.score is not None]):
            self.fit.solved_at = self.fit.steps
        self.report(Progress(spent, train_loss, loss))

    def _prune(self, evaluation: int, best: float) -> None:
        limit = self._prune_above[evaluation] if evaluation < len(self._prune_above) else None
        if limit is not None and best > limit:
            self.fit.pruned_at = self.fit.steps

    def _model_with(self, weights: Mapping[str, Tensor]) -> SequenceModel:
        """Return the evaluation model with these weights, or the model in training if the names differ."""
        if self._evaluation_model is None or state_of(self._evaluation_model).keys() != weights.keys():
            return self.model
        restore_state(self._evaluation_model, weights)
        return self._evaluation_model

    def finish(self, seconds: float, execution: str) -> Fit:
        """Restore the weights of the best point in the model, and return the result."""
        restore_state(self.model, self.best_weights)
        if self.fit.restarted:
            names = ", ".join(map(repr, self.fit.restarted))
            execution += f", unlike a run that was never cut: {names} began anew at a checkpoint"
        solved = self.fit.solved_at is not None  # in a stack the others go on
        self.fit.seconds = self.fit.curve[-1].seconds if solved else seconds
        self.fit.execution = execution
        return self.fit


def _mean(losses: Sequence[float]) -> float | None:
    return sum(losses) / len(losses) if losses else None
