"""Watch a run: measure the signals in a copy of its model at every evaluation.

The model in training is only read. The copy is built like every model of a run, gets the weights for each look, and
draws random numbers of its own, so a watched run trains to the same bits.
"""

import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from zoo.blame import describe_error
from zoo.data.corpus import Corpus
from zoo.errors import RunError, ZooError
from zoo.experiments.records.signals import LayerSignal, SignalPoint, WeightSignal, read_signals, write_signals
from zoo.experiments.runs.batch_of_text import ROWS, draw_rows, targets_of
from zoo.experiments.runs.resolve import Cell
from zoo.models.interface import SequenceModel
from zoo.probes.signals import measure_signals
from zoo.probes.trace import trace_model
from zoo.probes.values import Trace
from zoo.surroundings import own_random_numbers
from zoo.training.model_state import copy_state, restore_state
from zoo.training.observer import Observer

CPU = torch.device("cpu")


def watch(cell: Cell, model: SequenceModel, place: Path, corpus: Corpus) -> Observer | None:
    """Watch a model in training, if its run is to be watched; the record goes into the run's working folder."""
    config = cell.config
    return SignalWatch(cell, model, place, corpus) if config.training.watch and not config.trial else None


class SignalWatch:
    """Measures the signals of one model in training, and writes them after every look."""

    def __init__(self, cell: Cell, model: SequenceModel, place: Path, corpus: Corpus) -> None:
        self.model, self.place = model, place
        self._points = dict[int, SignalPoint]()
        with suppress(RunError):  # damaged: the signals before an interruption are lost, the run is not
            self._points = {point.step: point for point in read_signals(place)}
        self._step, self._before = -1, dict[str, Tensor]()
        self._trace: Trace | None = None
        with own_random_numbers(CPU):
            self._copy = cell.build()
            self._tokens, self._targets = draw_rows(corpus, ROWS, cell.config.context)

    def evaluated(self, step: int) -> None:
        started = time.perf_counter()
        try:
            with own_random_numbers(CPU):
                point = self._measure(step)
        except Exception as error:  # the copy of a foreign model may raise anything, and the run goes on
            why = str(error).partition("\n")[0] if isinstance(error, ZooError) else describe_error(error)
            point = SignalPoint(step=step, seconds=0, problem=why)
        self._step, self._before = step, {name: weight.clone() for name, weight in self._matrices().items()}
        self._write(point.model_copy(update={"seconds": time.perf_counter() - started}))

    def stepped(self) -> None:
        point = self._points[self._step]
        updates = {
            name: float((weight - self._before[name]).float().std(correction=0)) / size
            for name, weight in self._matrices().items()
            if name in self._before and (size := float(self._before[name].float().std(correction=0)))
        }
        finite = {name: update for name, update in updates.items() if update < float("inf")}
        weights = [own.model_copy(update={"update": finite.get(own.name)}) for own in point.weights]
        self._write(point.model_copy(update={"weights": tuple(weights)}))

    def _matrices(self) -> dict[str, Tensor]:
        """The trained parameters of two or more axes, on the device."""
        named = self.model.named_parameters()
        return {name: weight.detach() for name, weight in named if weight.ndim > 1 and weight.requires_grad}

    def _measure(self, step: int) -> SignalPoint:
        model = self._copy
        trace = self._trace = self._trace or trace_model(model, self._tokens)
        restore_state(model, {name: tensor.cpu() for name, tensor in copy_state(self.model).items()})
        targets = targets_of(self._targets, trace.form)
        signals = measure_signals(model, self._tokens, targets, trace, trained=step > 0)
        return SignalPoint(
            step=step,
            seconds=0,
            loss=signals.loss,
            layers=tuple(
                LayerSignal(name=layer.name, kind=layer.kind, **signal.model_dump())
                for layer, signal in zip(trace.layers, signals.layers, strict=True)
            ),
            weights=tuple(
                WeightSignal(name=weight.name, std=weight.std, gradient_std=weight.gradient_std)
                for weight in signals.weights
            ),
        )

    def _write(self, point: SignalPoint) -> None:
        self._points[point.step] = point
        write_signals(self.place, self._points.values())
