"""Recurrent layers of torch as a scan over time, for any number of tokens.

torch.export 2.13 writes out every step of `nn.RNN`, `nn.GRU` and `nn.LSTM`, which fixes the number of tokens. A scan is
one operation of a program, and ONNX has it too.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._higher_order_ops.scan import scan
from torch.overrides import TorchFunctionMode

from zoo.training.stacked.recurrent import Cell, State, compute_recurrent, is_recurrent


class Scanning(TorchFunctionMode):
    """Context in which torch's recurrent layers are scans, where the number of tokens is not fixed."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_recurrent(func, args) and isinstance(args[0].shape[int(args[8])], torch.SymInt):  # args[8]: batch first
            return compute_recurrent(func, *args, run_layer=_scan_layer)
        return func(*args, **(kwargs or {}))


def _scan_layer(
    cell: Cell,
    x: Tensor,
    state: State,
    time: int,
    of_input: Tensor,
    of_hidden: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, State]:
    """As `compute_layer`, for any number of tokens."""

    def step(before: State, inputs: Tensor) -> tuple[State, Tensor]:
        after = cell(inputs, F.linear(before[0], of_hidden, hidden_bias), *before)
        return after, after[0].clone()  # a scan refuses outputs that share memory

    fresh = tuple(tensor.clone() for tensor in state)
    after, outputs = scan(step, fresh, F.linear(x.movedim(time, 0), of_input, input_bias))
    return outputs.movedim(0, time), after
