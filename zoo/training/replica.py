"""One model in training, and what is known of it: curve, best weights, divergence."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows, Shape
from zoo.models.interface import SequenceModel
from zoo.training.evaluation import evaluate
from zoo.training.model_state import copy_state, restore_state, state_of
from zoo.training.settings import Settings


@dataclass(frozen=True)
class Point:
    """One point of the learning curve; `train_loss` is the mean over the steps since the point before."""

    step: int
    tokens: int
    seconds: float
    train_loss: float | None
    validation_loss: float


@dataclass(frozen=True)
class Progress:
    """What the callback hears: after every few steps, and after every evaluation."""

    spent: float
    """Share of the budget, 0 to 1."""
    train_loss: float | None
    validation_loss: float | None


@dataclass
class Fit:
    """What came out. The weights of the best point are in the model; `diverged_at` is the step of the first loss
    that was not finite, or None; `shapes` counts the steps by the shape of their batch; `execution` is how the steps
    were run: "eager", "captured" (as a CUDA graph), "eager: " and why not captured, or one of them after "compiled"
    or "stacked"; `compile_seconds` are those of the first step, if it was compiled."""

    curve: list[Point] = field(default_factory=list)
    best: Point | None = None
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    diverged_at: int | None = None
    shapes: Counter[Shape] = field(default_factory=Counter)
    execution: str = "eager"
    compile_seconds: float = 0.0


class Replica:
    """A model, the seed of its batches, its settings, and the `Fit` that comes of them.

    Args:
        evaluated: a model of the same class, built afresh, that is given the weights for every evaluation, so that
            the one in training never sees validation; None: that one is evaluated itself.
    """

    def __init__(
        self,
        model: SequenceModel,
        settings: Settings,
        seed: int,
        report: Callable[[Progress], None] = lambda _: None,
        evaluated: SequenceModel | None = None,
    ) -> None:
        self.model, self.settings, self.seed, self.report = model, settings, seed, report
        self._evaluated = evaluated
        self.fit = Fit()
        self._best_weights = copy_state(model)
        self._recent: list[float] = []  # losses since the last evaluation

    @property
    def sound(self) -> bool:
        """Whether it has not diverged."""
        return self.fit.diverged_at is None

    def count(self, batch: Batch) -> None:
        """One step on this batch has been made, or is on its way."""
        self.fit.tokens += batch.target_count
        self.fit.shapes[batch.shape] += 1
        self.fit.steps += 1

    def read(self, losses: Sequence[float]) -> None:
        """The losses of the last steps, the first of which that is not finite is where it diverged."""
        wrong = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if wrong is not None:
            self.fit.diverged_at = self.fit.steps - len(losses) + wrong + 1
        self._recent += losses

    def evaluate(self, validation: Rows, spent: float, seconds: float, device: torch.device) -> None:
        """One more point of the curve, told; the weights as they were before it are kept if it is the best so far."""
        weights = copy_state(self.model)
        loss = evaluate(self._with(weights), validation, device=device, dtype=self.settings.dtype).loss
        if not math.isfinite(loss):
            self.fit.diverged_at = self.fit.steps
            return
        train_loss = sum(self._recent) / len(self._recent) if self._recent else None
        self._recent.clear()
        point = Point(self.fit.steps, self.fit.tokens, seconds, train_loss, loss)
        self.fit.curve.append(point)
        if self.fit.best is None or loss < self.fit.best.validation_loss:
            self.fit.best = point
            self._best_weights = weights
        self.report(Progress(spent, train_loss, loss))

    def _with(self, weights: Mapping[str, Tensor]) -> SequenceModel:
        """The model to evaluate; the one in training too where what it holds by now does not fit another."""
        if self._evaluated is None or state_of(self._evaluated).keys() != weights.keys():
            return self.model
        restore_state(self._evaluated, weights)
        return self._evaluated

    def finish(self, seconds: float, execution: str) -> Fit:
        """The weights of the best point go back into the model."""
        restore_state(self.model, self._best_weights)
        self.fit.seconds, self.fit.execution = seconds, execution
        return self.fit
