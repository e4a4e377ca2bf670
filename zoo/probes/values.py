"""What is traced of a model, as plain values: its layers with their shapes and costs, and the signals in them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from zoo.config import Frozen

Form = Literal["rows", "tree", "packed", "step"]
FORMS: dict[Form, str] = {
    "rows": "a row of T tokens, a logit at every position",
    "tree": "windows of N tokens, a logit after the last",
    "packed": "rows one after the other, without padding",
    "step": "one token of a stream, after the others",
}
"""Form in which a model is traced -> what runs."""


class Side(Frozen):
    """A tensor that a layer takes or returns."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    """Name of each axis: b rows, t tokens, m packed tokens, c24 channels; other numbers are the same in any batch."""
    dtype: str

    @property
    def text(self) -> str:
        """`b t c24`."""
        return " ".join(self.axes) or "scalar"


class Layer(Frozen):
    """A call of a layer."""

    name: str
    """Path of the module in the model, with the method or function; "" is the model itself."""
    kind: str
    depth: int
    given: tuple[Side, ...]
    made: tuple[Side, ...]
    parameters: int
    """Number of parameters of the module, with those inside of it."""
    flops: int
    """FLOPs of this call on the batch, forward, with what it calls."""
    saved_bytes: int
    """Memory that it keeps for the backward pass, with what it calls."""
    sources: tuple[int, ...] = ()
    """Places of the layers from whose results its input was computed; () of a layer with others inside."""

    @property
    def text(self) -> str:
        """`b t c24 -> b t c48`, or one shape where both are alike; tensors after the first are counted."""
        given, made = (_list_sides(sides) for sides in (self.given, self.made))
        return made if given == made else f"{given} -> {made}"

    @property
    def module(self) -> str:
        """Path of the module, without the method or function."""
        return self.name.removesuffix(f".{self.kind}")


class Trace(Frozen):
    """All layers of a model in the order in which they were called; the first is the model itself."""

    schema_version: int = 1
    model: str
    form: Form
    sizes: Mapping[str, int]
    """Sizes of the letters: b, t or m."""
    parameters: int
    uncounted: tuple[str, ...] = ()
    """Operations that ran uncounted, so that FLOPs are a lower bound."""
    layers: tuple[Layer, ...] = Field(min_length=1)

    @property
    def total(self) -> Layer:
        """The model itself."""
        return self.layers[0]


def has_inner(layers: Sequence[Layer], place: int) -> bool:
    """Whether other layers are called inside of the one at this place."""
    return place + 1 < len(layers) and layers[place + 1].depth > layers[place].depth


class Signal(Frozen):
    """Activations that a layer returns, and the gradient of the loss by them."""

    mean: float
    std: float
    saturated: float | None
    """Share of saturated values; None if the layer is no tanh or sigmoid."""
    dead: int | None
    """Number of channels that are saturated (tanh, sigmoid) or zero (relu) at every position; None for other layers,
    and where no axis is that of the channels."""
    channels: int
    gradient_std: float | None
    """None where no gradient arrives, or what the layer returns is overwritten in place."""


class Weight(Frozen):
    """A parameter of two or more axes, and the gradient of the loss by it."""

    name: str
    shape: tuple[int, ...]
    std: float
    gradient_std: float
    ratio: float
    """Gradient by weight: both standard deviations; 0 for a weight of zeros."""


class Finding(Frozen):
    """A rule of thumb that is broken."""

    rule: str
    text: str
    source: str


class Signals(Frozen):
    """The signals of one batch: those of a layer under its place in the trace."""

    loss: float
    """Nats per token, without an auxiliary loss, which gradients include."""
    layers: tuple[Signal, ...]
    weights: tuple[Weight, ...]
    findings: tuple[Finding, ...]


class Plane(Frozen):
    """The tokens of an embedding in a plane."""

    name: str
    """Path of the embedding in the model."""
    method: str
    """What the two axes are."""
    tokens: tuple[str, ...]
    points: tuple[tuple[float, float], ...]


class Traced(Frozen):
    """A trace with what else was asked."""

    trace: Trace
    corpus: str
    trained: bool
    """Whether the weights are those of a run."""
    signals: Signals | None = None
    nonfinite: str | None = None
    """The first layer with a number that is not finite; "" if there is none, None if it was not asked."""
    plane: Plane | None = None
    """The embedding of a run."""


def _list_sides(sides: Sequence[Side]) -> str:
    more = f" +{len(sides) - 1}" if len(sides) > 1 else ""
    return f"{sides[0].text}{more}" if sides else "nothing"
