"""The training loop: `fit` trains one model; `Loop` is shared with stacks of models.

It prints nothing and uses no files: progress goes to a callback.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.data.rows import Batch, Rows
from zoo.models.interface import SequenceModel
from zoo.surroundings import digest_random_state, put_random_state, take_random_state
from zoo.training.cuda_graph import capture
from zoo.training.device import Stopwatch
from zoo.training.goal import Finish
from zoo.training.observer import Observer
from zoo.training.outside_state import describe_restart
from zoo.training.replica import Fit, Point, Progress, Replica
from zoo.training.run_state import (
    Keeper,
    NoKeeper,
    RunState,
    prefix,
    put_replica,
    put_tensors,
    take_replica,
    without_prefix,
)
from zoo.training.settings import Settings
from zoo.training.stacked.filling import fill, round_up
from zoo.training.stacked.stackable import why_not_filled
from zoo.training.step import TrainStep, logits_of

__all__ = ["READ_EVERY", "Fit", "Loop", "Point", "Progress", "Settings", "TrainStep", "draw", "fit", "logits_of"]

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
    build: Callable[[], SequenceModel] | None = None,
    keeper: Keeper | None = None,
    prune_above: Sequence[float | None] = (),
    finish: Finish | None = None,
    observer: Observer | None = None,
) -> Fit:
    """Train `model` in place; it ends with the weights that were best on validation.

    Args:
        train, validation: rows on the device.
        seed: seed of the batches.
        report: receives the progress every few steps and after every evaluation.
        evaluation_model: as in `Replica`.
        build: builds another `model` in its initial state, on the CPU; default: a copy of it.
        keeper: stores states of the run, and loads the one to continue from.
        prune_above, finish: as in `Replica`.
        observer: looks at the model at every evaluation.

    Raises:
        RunError: a loaded state does not fit the model, or as `evaluate`.
    """
    model.train()
    train_step = TrainStep(model, settings, device)
    step = capture(train_step, device)
    replica = Replica(model, settings, seed, report, evaluation_model, prune_above, finish)
    fills = step.multiple > 1 and draw(train, settings, seed, 0).packing is not None
    again = build or (lambda: copy.deepcopy(model).cpu())
    unlike = why_not_filled(lambda _: again()) if fills else None

    def update(batches: Sequence[Batch], rates: Sequence[float]) -> Tensor:
        return step(fill(batches[0], round_up(len(batches[0].tokens), step.multiple)), rates[0])

    observers = [] if observer is None else [observer]
    loop = Loop([replica], update, train_step.update.tensors(), device, keeper or NoKeeper(), observers)
    seconds = loop.run(train, validation)
    replica.fit.compile_seconds = train_step.compile_seconds
    return replica.finish(seconds, f"{step.execution}, unlike eager steps: {unlike}" if unlike else step.execution)


@dataclass
class Loop:
    """The loop over steps of K replicas, and its state between two steps.

    Args:
        replicas: K replicas. The settings of the first determine budget and evaluations, those of each its own rate.
        step: updates all replicas, each on its batch and at its learning rate; returns their K losses, on the device:
            (K,), or (K, 2) with their auxiliary losses; of one replica () or (2,).
        moments: tensors of the optimizer by name, in its own memory.
        observers: one for each replica, or none.
    """

    replicas: Sequence[Replica]
    step: Callable[[Sequence[Batch], Sequence[float]], Tensor]
    moments: Mapping[str, Tensor]
    device: torch.device
    keeper: Keeper = field(default_factory=NoKeeper)
    observers: Sequence[Observer] = ()

    def __post_init__(self) -> None:
        self.clock, self.settings = Stopwatch(self.device), self.replicas[0].settings
        self.steps, self.next_evaluation = 0, 0  # evaluation 0 is that of the untrained model
        self.observed = set[int]()  # numbers of the replicas whose next step is observed
        self.unread: list[Tensor] = []  # losses still on the device
        self.started = digest_random_state(self.device)

    @property
    def drew(self) -> bool:
        """Whether random numbers were drawn since the first step, which an earlier process may have made."""
        return digest_random_state(self.device) != self.started

    def run(self, train: Rows, validation: Rows) -> float:
        """Train until the budget is spent or every replica has stopped; return the seconds without evaluations."""
        if state := self.keeper.load(self._note):
            self.put(state)
            self._note(f"goes on at step {self.steps:,}")
            if restarted := sorted({name for replica in self.replicas for name in replica.fit.restarted}):
                self._note(describe_restart(restarted))
        while True:
            spent = self.settings.spent(self.steps, self.clock.seconds)
            due = spent * self.settings.evaluations + 1e-9 >= self.next_evaluation
            if self.unread and (due or len(self.unread) == READ_EVERY):
                _read_losses(self.unread, self.replicas, spent, report=not due)
            if due:
                self._evaluate(validation, spent)
            if spent == 1 or all(replica.stopped for replica in self.replicas):
                self.clock.stop()
                seconds = self.clock.seconds
                self._keep_common()
                return seconds
            if due:
                self.clock.start()
            self._keep_common()
            self.keeper.offer(self.take)
            self._make_step(train)
            if self.observed:
                self._show_step()

    def _keep_common(self) -> None:
        """Keep the state from which runs of larger budgets continue."""
        if self.steps == self.settings.common_steps and not any(replica.stopped for replica in self.replicas):
            self.keeper.keep(self.take())

    def _note(self, text: str) -> None:
        spent = self.settings.spent(self.steps, self.clock.seconds)
        self.replicas[0].report(Progress(spent, None, None, text))

    def _evaluate(self, validation: Rows, spent: float) -> None:
        self.clock.stop()
        for replica in self.replicas:
            if not replica.stopped:
                replica.evaluate(validation, spent, self.clock.seconds, self.device)
        self.next_evaluation = math.floor(spent * self.settings.evaluations + 1e-9) + 1
        self.observed = {k for k in range(len(self.observers)) if not self.replicas[k].stopped}
        for number in self.observed:
            self.observers[number].evaluated(self.steps)

    def _show_step(self) -> None:
        """Show the first step after an evaluation to the observers."""
        self.clock.stop()
        for number in self.observed:
            self.observers[number].stepped()
        self.observed = set()
        self.clock.start()

    def _make_step(self, train: Rows) -> None:
        batches = [draw(train, self.settings, replica.seed, self.steps) for replica in self.replicas]
        middle = self.steps + 0.5, self.clock.seconds  # mid-step, or the first rate would be 0
        self.unread.append(self.step(batches, [replica.settings.rate(*middle) for replica in self.replicas]))
        for replica, batch in zip(self.replicas, batches, strict=True):
            if not replica.stopped:
                replica.count_step(batch)
        self.steps += 1

    def take(self) -> RunState:
        """Copy the state between two steps."""
        self.clock.stop()
        states = {str(number): take_replica(replica) for number, replica in enumerate(self.replicas)}
        random_tensors, random_values = take_random_state(self.device)
        tensors = prefix("moments", self.moments) | prefix("random", random_tensors)
        if self.unread:
            tensors["unread"] = torch.stack(self.unread)
        tensors = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
        for number, state in states.items():
            tensors |= prefix(number, state.tensors)
        values = {
            "steps": self.steps,
            "next_evaluation": self.next_evaluation,
            "seconds": self.clock.seconds,
            "started": self.started,
            "random": random_values,
            "replicas": [state.values for state in states.values()],
        }
        self.clock.start()
        return RunState(tensors, values)

    def put(self, state: RunState) -> None:
        """Continue from a state that an equal loop gave.

        Raises:
            RunError: the state does not fit; the message says where.
        """
        values, tensors = state.values, state.tensors
        for number, (replica, own) in enumerate(zip(self.replicas, values["replicas"], strict=True)):
            put_replica(replica, RunState(without_prefix(str(number), tensors), own))
        put_tensors(self.moments, without_prefix("moments", tensors), "The state of the optimizer")
        self.steps, self.next_evaluation = values["steps"], values["next_evaluation"]
        self.started = values["started"]
        self.unread = list(tensors["unread"].to(self.device).unbind()) if "unread" in tensors else []
        put_random_state(self.device, without_prefix("random", tensors), values["random"])
        self.clock.resume(values["seconds"])


def _read_losses(unread: list[Tensor], replicas: Sequence[Replica], spent: float, *, report: bool) -> None:
    """Read the losses of every step from the device into the replicas; `report` the last loss of each."""
    losses = torch.stack(unread).view(len(unread), len(replicas), -1).transpose(0, 1).tolist()
    unread.clear()
    for replica, own in zip(replicas, losses, strict=True):
        if not replica.stopped:
            replica.read_losses(own)
        if report and not replica.stopped:
            replica.report(Progress(spent, own[-1][0], None))


def draw(train: Rows, settings: Settings, seed: int, step: int) -> Batch:
    """Draw the batch of a step: whole rows, or windows if the settings have a window."""
    if settings.window is None:
        return train.batch(seed, step, settings.batch_size)
    return train.windows(seed, step, settings.batch_size, settings.window)
