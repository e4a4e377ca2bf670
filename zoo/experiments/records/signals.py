"""The record of a watched run: the signals in its model at every evaluation.

signals.jsonl     one `SignalPoint` per line, in the directory of a run
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from zoo.config import Frozen
from zoo.errors import RunError
from zoo.experiments.records.reading import DamagedError, read_lines
from zoo.experiments.records.values import Count, Seconds, Steps
from zoo.whole_file import write_whole

SIGNALS = "signals.jsonl"
Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(ge=0)]


class LayerSignal(Frozen):
    """Activations that a layer returns, and the gradient of the loss by them, as in `zoo.probes.values.Signal`."""

    name: str
    kind: str
    mean: float
    std: Size
    saturated: Share | None
    dead: Count | None
    channels: Count
    gradient_std: Size | None


class WeightSignal(Frozen):
    """A parameter of two or more axes."""

    name: str
    std: Size
    gradient_std: Size
    update: Size | None = None
    """Update by weight: standard deviation of what the next step added, by that of the weights before it, weight decay
    counted. None at the last evaluation, and where the run was interrupted in this step."""


class SignalPoint(Frozen):
    """The signals at one evaluation, on one batch of training text that is the same for all."""

    step: Steps
    seconds: Seconds
    """Time that the look took, beside training."""
    loss: float | None = None
    layers: tuple[LayerSignal, ...] = ()
    weights: tuple[WeightSignal, ...] = ()
    problem: str = ""
    """Why nothing was measured."""


def write_signals(directory: Path, points: Iterable[SignalPoint]) -> None:
    """Write one point per line, in order, atomically."""
    lines = [point.model_dump_json() for point in sorted(points, key=lambda point: point.step)]
    write_whole(directory / SIGNALS, "".join(line + "\n" for line in lines))


def read_signals(directory: Path) -> tuple[SignalPoint, ...]:
    """Read the signals of the run in a directory; () if it was not watched.

    Raises:
        RunError: the file is damaged.
    """
    if not os.path.isfile(directory / SIGNALS):
        return ()
    try:
        return tuple(read_lines(directory / SIGNALS, SignalPoint))
    except DamagedError as error:
        raise RunError(f"Run '{directory}' is damaged: {SIGNALS}: {error.reason}. Remove this file.") from None
