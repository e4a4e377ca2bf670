"""Record a whole training step as a CUDA graph, then replay it without Python between its kernels.

A graph is bound to memory: every batch is first copied into static buffers, and every batch shape has its own graph.
Packed documents are filled up to a multiple of `MULTIPLE` positions (see `zoo.training.stacked.filling`), which keeps
the number of shapes small. The first steps of a shape are real steps on a side stream, the warm-up that capture needs;
recording computes nothing.

If recording fails, for instance because a model reads a value back, training continues eagerly and `reason` says why.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from zoo.blame import describe_error
from zoo.data.rows import Batch
from zoo.training.stacked.filling import round_up

WARMUP = 3
"""Eager steps of a shape before recording."""
GRAPHS = 8
"""Maximum number of recorded shapes; later ones run eagerly."""
MULTIPLE = 128
"""Packed documents are filled up to a multiple of this number of positions."""


class Step(Protocol):
    """A training step of one model or of a stack: `TrainStep`, `StackedStep`."""

    @property
    def execution(self) -> str: ...
    @property
    def multiple(self) -> int: ...
    def __call__(self, batch: Batch, lr: Any) -> Tensor: ...


class Graph(Protocol):
    """Recordable work on a device."""

    def run(self) -> Tensor: ...
    def record(self) -> None: ...
    def replay(self) -> Tensor: ...


def capture(step: Step, device: torch.device) -> Step:
    """Capture the step on CUDA; on a CPU return it unchanged."""
    return CapturedStep(step, device) if device.type == "cuda" else step


class CapturedStep:
    """A step recorded once per batch shape, then replayed; called like the step itself.

    Args:
        step: a whole step without host-device synchronisation that accepts the learning rate as a tensor.
        graph: makes a `Graph` of a function; by default `CudaGraph`.
    """

    def __init__(
        self,
        step: Step,
        device: torch.device,
        graph: Callable[[Callable[[], Tensor], torch.device], Graph] | None = None,
    ) -> None:
        self.step, self.device = step, device
        self.graph = graph or CudaGraph
        self.reason = ""
        """Why steps run eagerly; empty unless recording failed."""
        self._slots: dict[Hashable, _Slot] = {}

    @property
    def execution(self) -> str:
        """How steps run: the step's own word (`eager`, `stacked`) with `captured`, or with the reason why not."""
        if self.reason:
            return f"{self.step.execution}: {self.reason}"
        if not any(slot.recorded for slot in self._slots.values()):
            return self.step.execution
        return "captured" if self.step.execution == "eager" else f"{self.step.execution}, captured"

    @property
    def multiple(self) -> int:
        """Packed batches must be filled up to a multiple of this number of positions."""
        return 1 if self.reason else MULTIPLE

    def __call__(self, batch: Batch, lr: float | Tensor) -> Tensor:
        """Make one update; return the loss before it, on the device. The batch may be on the CPU."""
        batch = _round_up_shape(batch)
        key = batch.tokens.shape, batch.targets.shape, batch.packing and batch.packing.shape
        if not self.reason and (key in self._slots or len(self._slots) < GRAPHS):
            if key not in self._slots:
                self._slots[key] = _Slot(self, batch, lr)
            slot = self._slots[key]
            slot.load(batch, lr)
            try:
                return slot()
            except _RecordError as error:
                self.reason = str(error)
                self._slots.clear()
        return self.step(_copy_to(batch, self.device), torch.as_tensor(lr, dtype=torch.float32, device=self.device))


class _RecordError(Exception):
    """A step cannot be recorded; the message says why."""


class _Slot:
    """The static buffers and the graph of one batch shape."""

    def __init__(self, owner: CapturedStep, batch: Batch, lr: float | Tensor) -> None:
        self.batch = _copy_to(batch, owner.device)
        self.lr = torch.as_tensor(lr, dtype=torch.float32).to(owner.device, copy=True)
        self.graph = owner.graph(lambda: owner.step(self._batch_to_record(), self.lr), owner.device)
        self.steps = 0
        self.recorded = False

    def _batch_to_record(self) -> Batch:
        """Return the static buffers with a new packing, which has no cached values of an earlier batch."""
        packing = self.batch.packing
        return self.batch._replace(packing=packing and replace(packing))

    def load(self, batch: Batch, lr: float | Tensor) -> None:
        """Copy a batch and its learning rate into the static buffers, without synchronisation."""
        given = [torch.as_tensor(lr, dtype=torch.float32), *_tensors(batch)]
        for place, tensor in zip([self.lr, *_tensors(self.batch)], given, strict=True):
            away = place.is_cuda and not tensor.is_cuda  # only a copy from pinned memory is asynchronous
            place.copy_(tensor.pin_memory() if away else tensor, non_blocking=True)

    def __call__(self) -> Tensor:
        """Make a step on the loaded batch: eagerly at first, then recorded and replayed."""
        self.steps += 1
        if self.steps <= WARMUP:
            return self.graph.run()
        if not self.recorded:
            try:
                self.graph.record()
            except Exception as error:
                raise _RecordError(describe_error(error.__cause__ or error)) from error
            self.recorded = True
        return self.graph.replay().clone()


class CudaGraph:
    """A `torch.cuda.CUDAGraph` whose warm-up runs on the stream of the recording."""

    def __init__(self, work: Callable[[], Tensor], device: torch.device) -> None:
        self.work, self.device = work, device
        self.stream = torch.cuda.Stream(device)
        self.graph = torch.cuda.CUDAGraph()

    def run(self) -> Tensor:
        """Run the work eagerly, on the side stream."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = self.work()
        current.wait_stream(self.stream)
        return result

    def record(self) -> None:
        """Record the work without computing it; a failure restores the state of random numbers."""
        random_numbers = torch.cuda.get_rng_state(self.device)
        try:
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
                self.result = self.work()
        except Exception:
            torch.cuda.synchronize(self.device)
            torch.cuda.set_rng_state(random_numbers, self.device)
            raise

    def replay(self) -> Tensor:
        """Run the recorded work on the current buffers; the next replay overwrites the result."""
        self.graph.replay()
        return self.result


def _round_up_shape(batch: Batch) -> Batch:
    """Round up the declared rows and length of a packed batch, so that fewer shapes occur."""
    if batch.packing is None:
        return batch
    rows, length = batch.packing.shape
    return batch._replace(packing=replace(batch.packing, shape=(round_up(rows, 32), round_up(length, 8))))


def _tensors(batch: Batch) -> list[Tensor]:
    places = [] if batch.packing is None else [batch.packing.position, batch.packing.row]
    return [batch.tokens, batch.targets, *places]


def _copy_to(batch: Batch, device: torch.device) -> Batch:
    """Copy the batch to the device."""
    tokens, targets, *places = (tensor.to(device, copy=True) for tensor in _tensors(batch))
    packing = batch.packing and replace(batch.packing, position=places[0], row=places[1])
    return Batch(tokens, targets, packing)
