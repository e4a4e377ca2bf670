"""Recurrent layers of torch as a scan over time, for any number of tokens.

torch.export 2.13 writes out every step of `nn.RNN`, `nn.GRU` and `nn.LSTM`, which fixes the number of tokens. A scan is
one operation of a program, and ONNX has it too.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan
from torch.overrides import TorchFunctionMode

from zoo.training.stacked.recurrent import CELLS, Cell, State, is_recurrent


class Scanning(TorchFunctionMode):
    """Context in which torch's recurrent layers are scans, where the number of tokens is not fixed."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_recurrent(func, args) and isinstance(args[0].shape[int(args[8])], torch.SymInt):  # args[8]: batch first
            return _compute(func, *args)
        return func(*args, **(kwargs or {}))


def _compute(
    func: Any,
    x: Tensor,
    before: Any,
    weights: Sequence[Tensor],
    biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    _: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Return what a function of `CELLS` returns in evaluation mode: outputs (B, T, H) and states (layers, B, H)."""
    each = len(weights) // layers
    befores = before if func is torch.lstm else (before,)
    x = x.transpose(0, 1) if batch_first else x
    after = []
    for layer in range(layers):
        state = tuple(tensor[layer] for tensor in befores)
        x, state = _scan_layer(CELLS[func], x, state, *weights[layer * each : (layer + 1) * each])
        after.append(state)
    return (x.transpose(0, 1) if batch_first else x), *map(torch.stack, zip(*after, strict=True))


def _scan_layer(
    cell: Cell,
    x: Tensor,
    state: State,
    of_input: Tensor,
    of_hidden: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, State]:
    """(T, B, C) and a state -> outputs (T, B, H) and the state after T; the products with the inputs are one."""

    def step(before: State, inputs: Tensor) -> tuple[State, Tensor]:
        after = cell(inputs, F.linear(before[0], of_hidden, hidden_bias), *before)
        return after, after[0].clone()  # a scan refuses outputs that share memory

    fresh = tuple(tensor.clone() for tensor in state)
    after, outputs = scan(step, fresh, F.linear(x, of_input, input_bias))
    return outputs, after
