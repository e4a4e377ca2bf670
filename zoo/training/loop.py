"""The training loop, for every model: `TrainStep` is one step, `fit` is the run.

No printing, no files, no flags: progress goes out through a callback.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows, Shape
from zoo.models.interface import SequenceModel
from zoo.training.device import Stopwatch, autocast
from zoo.training.evaluation import evaluate
from zoo.training.loss import cross_entropy
from zoo.training.optimizer import Optimizer, learning_rate

READ_EVERY = 25
"""Steps between two looks at the losses: reading a loss makes the host wait for the device."""


@dataclass(frozen=True)
class Settings:
    """What `fit` needs to know, with nothing left open."""

    steps: int | None
    """The budget; None where `seconds` is."""
    batch_size: int
    optimizer: str
    schedule: str
    lr: float
    weight_decay: float
    warmup: float
    clip: float
    evaluations: int
    dtype: str
    window: int | None = None
    """Tokens of a row that is a window with one target; None where rows are whole."""
    seconds: float | None = None
    """The budget in seconds of training; None where `steps` is."""

    def spent(self, steps: float, seconds: float) -> float:
        """The share of the budget that is spent, 0 to 1."""
        return min(1.0, steps / self.steps if self.steps else seconds / (self.seconds or math.inf))


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
    that was not finite, or None; `shapes` counts the steps by the shape of their batch."""

    curve: list[Point] = field(default_factory=list)
    best: Point | None = None
    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    diverged_at: int | None = None
    shapes: Counter[Shape] = field(default_factory=Counter)

    def add(self, point: Point) -> bool:
        """One more point of the curve; True when it is the best so far."""
        self.curve.append(point)
        if self.best is not None and point.validation_loss >= self.best.validation_loss:
            return False
        self.best = point
        return True


class TrainStep:
    """Forward, backward, clip, update. Something that runs the whole step in another way takes this one's place."""

    def __init__(self, model: SequenceModel, settings: Settings, device: torch.device) -> None:
        self.model = model
        self.clip = settings.clip
        self.optimizer = Optimizer(model, settings.optimizer, weight_decay=settings.weight_decay)
        self.precision = lambda: autocast(device, settings.dtype)

    def __call__(self, batch: Batch, lr: float) -> Tensor:
        """One update; returns the loss () before it, still on the device."""
        with self.precision():
            logits = logits_of(self.model, batch)
        loss = cross_entropy(logits, batch.targets)
        loss.backward()
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.optimizer.parameters, self.clip)
        self.optimizer.step(lr)
        return loss.detach()


def logits_of(model: SequenceModel, batch: Batch) -> Tensor:
    """The logits at every target of a batch, (..., V): packed documents, whole rows, or one a window."""
    if batch.packing is not None:
        return model.packed(batch.tokens, batch.packing)
    if batch.targets.shape != batch.tokens.shape:
        return model.last(batch.tokens)
    logits: Tensor = model(batch.tokens)
    return logits


def fit(
    model: SequenceModel,
    train: Rows,
    validation: Rows,
    settings: Settings,
    *,
    seed: int,
    device: torch.device,
    report: Callable[[Progress], None] = lambda _: None,
) -> Fit:
    """Train `model` in place and leave it with the weights that were best on validation."""
    model.train()
    train_step = TrainStep(model, settings, device)
    clock = Stopwatch(device)
    result = Fit()
    best_weights = _copy(model)
    next_evaluation = 0  # of `settings.evaluations`, and one of the untrained model
    unread: list[Tensor] = []  # losses that are still on the device
    recent: list[float] = []  # losses since the last evaluation
    while True:
        spent = settings.spent(result.steps, clock.seconds)
        due = spent * settings.evaluations + 1e-9 >= next_evaluation
        if unread and (due or len(unread) == READ_EVERY):
            losses = torch.stack(unread).tolist()
            wrong = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), None)
            if wrong is not None:
                result.diverged_at = result.steps - len(losses) + wrong + 1
                break
            unread.clear()
            recent += losses
            if not due:
                report(Progress(spent, losses[-1], None))
        if due:
            clock.stop()
            loss = evaluate(model, validation, device=device, dtype=settings.dtype).loss
            if not math.isfinite(loss):
                result.diverged_at = result.steps
                break
            train_loss = sum(recent) / len(recent) if recent else None
            if result.add(Point(result.steps, result.tokens, clock.seconds, train_loss, loss)):
                best_weights = _copy(model)
            recent.clear()
            next_evaluation = math.floor(spent * settings.evaluations + 1e-9) + 1
            report(Progress(spent, train_loss, loss))
            if spent == 1:
                break
            clock.start()
        batch = draw(train, settings, seed, result.steps)
        middle = settings.spent(result.steps + 0.5, clock.seconds)  # of the step, so that the first one moves too
        lr = learning_rate(middle, peak=settings.lr, schedule=settings.schedule, warmup=settings.warmup)
        unread.append(train_step(batch, lr))
        result.tokens += batch.scored
        result.shapes[batch.shape] += 1
        result.steps += 1
    clock.stop()
    result.seconds = clock.seconds
    model.load_state_dict(best_weights)
    return result


def draw(train: Rows, settings: Settings, seed: int, step: int) -> Batch:
    """The batch of a step: whole rows, or windows."""
    if settings.window is None:
        return train.batch(seed, step, settings.batch_size)
    return train.windows(seed, step, settings.batch_size, settings.window)


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
