"""What is exported: a module, example arguments, and which of their sizes may vary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from zoo.exporting.ngrams import NGrams
from zoo.exporting.recurrent import Scanning
from zoo.exporting.step_by_step import StepByStep, goes_step_by_step
from zoo.exporting.steps import make_step
from zoo.models.interface import SequenceModel, State
from zoo.models.interpolated import InterpolatedNGrams

EXAMPLE = 3, 5
"""Rows and tokens of the example, of sizes that no check uses."""


class Rows(nn.Module):
    """(B, T) -> (B, T, V), the forward pass of a model."""

    def __init__(self, model: SequenceModel, *, plain: bool) -> None:
        super().__init__()
        self.rows: nn.Module = model
        if isinstance(model, InterpolatedNGrams):
            self.rows = NGrams(model, plain=plain)
        elif goes_step_by_step(model):
            self.rows = StepByStep(model)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        with Scanning():
            logits: Tensor = self.rows(tokens)
            return logits


@dataclass(frozen=True)
class Form:
    """A module to export.

    Attributes:
        module: (B, T) -> (B, T, V); or of a step (B,) and a state -> (B, V) and the next state.
        example: its arguments, with which it is traced.
        axes: of every input tensor, axis -> the name of its size, where it may vary.
        fresh: of a step, the state of one new stream, in order of its names; None for rows.
    """

    module: nn.Module
    example: tuple[Any, ...]
    axes: Sequence[Mapping[int, str]]
    fresh: State | None = None

    @property
    def inputs(self) -> list[str]:
        """Names of all input tensors."""
        return ["tokens", *(self.fresh or {})]

    @property
    def outputs(self) -> list[str]:
        """Names of all output tensors."""
        return ["logits", *(f"next_{name}" for name in self.fresh or {})]

    def dimensions(self) -> tuple[Any, ...]:
        """The sizes that may vary, as torch.export takes them; a past may be empty."""
        names = {name for axes in self.axes for name in axes.values()}
        known = {name: Dim(name, min=0 if name.startswith("past") else 1) for name in names}
        tokens, *state = [{axis: known[name] for axis, name in axes.items()} for axes in self.axes]
        return (tokens,) if self.fresh is None else (tokens, dict(zip(self.fresh, state, strict=True)))


def rows_of(model: SequenceModel, *, plain: bool = False) -> Form:
    """Describe the forward pass of a model, for any number of rows and tokens; `plain`: of operations that ONNX has."""
    example = torch.zeros(EXAMPLE, dtype=torch.long)
    return Form(Rows(model, plain=plain), (example,), [{0: "batch", 1: "length"}])


@torch.no_grad()
def step_of(model: SequenceModel, *, plain: bool = False) -> Form:
    """Describe a step of a model's stream, for any number of streams; sizes that grow with the past may vary."""
    module, rows = make_step(model, plain=plain), EXAMPLE[0]
    tokens = torch.zeros(rows, dtype=torch.long)
    state = fresh = module.begin(rows)
    for _ in range(EXAMPLE[1]):
        _, state = module(tokens, state)
    grown = {name: _find_grown(tensor.shape, state[name].shape) for name, tensor in fresh.items()}
    sizes = sorted({state[name].shape[axis] for name, axes in grown.items() for axis in axes})
    named = {size: f"past{number or ''}" for number, size in enumerate(sizes)}
    axes = [{0: "batch", **{axis: named[state[name].shape[axis]] for axis in grown[name]}} for name in fresh]
    return Form(module, (tokens, state), [{0: "batch"}, *axes], module.begin(1))


def _find_grown(before: Sequence[int], after: Sequence[int]) -> list[int]:
    return [axis for axis, sizes in enumerate(zip(before, after, strict=True)) if len(set(sizes)) > 1]
