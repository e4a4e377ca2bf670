"""The signals of watched runs over training, for each model in bands over its matrices and layers."""

from collections.abc import Iterable
from statistics import median

from zoo.config import Frozen
from zoo.experiments.records.run import Run
from zoo.experiments.records.signals import SignalPoint, read_signals

ACTIVATIONS = ("tanh", "sigmoid", "relu", "gelu", "silu")
"""Kinds of layers whose gradients are compared along the depth, in small letters."""


class SignalBand(Frozen):
    """One evaluation: lowest, middle and highest value over the matrices or layers of a model."""

    step: int
    low: float
    middle: float
    high: float


class Watched(Frozen):
    """The signals of a model's run under the first seed."""

    label: str
    seed: int
    updates: tuple[SignalBand, ...]
    """Update by weight, over the matrices."""
    gradients: tuple[SignalBand, ...]
    """Standard deviation of the gradient, over the activations of the model; over all layers if it has none."""
    seconds: float
    """Time that all looks took."""
    problem: str
    """Why nothing was measured at some evaluation; empty if all were."""


def summarise_watched(run: Run) -> Watched | None:
    """Summarise the signals of a run; None if it was not watched.

    Raises:
        RunError: the file of the signals is damaged.
    """
    points = read_signals(run.directory)
    if not points:
        return None
    return Watched(
        label=run.label,
        seed=run.recorded.run.seed,
        updates=_bands((point.step, [own.update for own in point.weights]) for point in points),
        gradients=_bands((point.step, [value for _, value in list_gradients(point)]) for point in points),
        seconds=sum(point.seconds for point in points),
        problem=next((point.problem for point in points if point.problem), ""),
    )


def list_gradients(point: SignalPoint) -> list[tuple[str, float]]:
    """(name, gradient) of every activation of a model, in order; of all layers inside of it if it has none."""
    known = [(layer, layer.gradient_std) for layer in point.layers if layer.gradient_std and layer.name]
    chosen = [(layer, value) for layer, value in known if layer.kind.lower() in ACTIVATIONS] or known
    return [(layer.name, value) for layer, value in chosen]


def _bands(points: Iterable[tuple[int, list[float | None]]]) -> tuple[SignalBand, ...]:
    """Bands of the evaluations that have a value greater than 0, for a logarithmic axis."""
    bands = []
    for step, values in points:
        if own := [value for value in values if value]:
            bands.append(SignalBand(step=step, low=min(own), middle=median(own), high=max(own)))
    return tuple(bands)
