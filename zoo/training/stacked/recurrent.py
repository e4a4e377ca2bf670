"""Compute torch's recurrent layers step by step, in operations that vmap can batch.

torch 2.13 has no batching rule for the fused layers of `nn.RNN`, `nn.GRU` and `nn.LSTM`. Differentiating inside vmap
would take them apart too, but it makes all other models slower (losses and gradients of 16 replicas by 2% to 26%), and
on a CPU the LSTM would still run replica by replica.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]
"""Hidden vectors (B, H), and in an LSTM its cell state (B, H)."""
Cell = Callable[..., State]
"""Products with the input and with the hidden vectors, each (B, gates * H), and a state -> the next state."""


def _tanh(inputs: Tensor, hidden: Tensor, _: Tensor) -> State:
    return ((inputs + hidden).tanh(),)


def _relu(inputs: Tensor, hidden: Tensor, _: Tensor) -> State:
    return ((inputs + hidden).relu(),)


def _gru(inputs: Tensor, hidden: Tensor, before: Tensor) -> State:
    (reset, update, new), (reset_too, update_too, new_too) = inputs.chunk(3, -1), hidden.chunk(3, -1)
    new = (new + (reset + reset_too).sigmoid() * new_too).tanh()
    return (new + (update + update_too).sigmoid() * (before - new),)


def _lstm(inputs: Tensor, hidden: Tensor, _: Tensor, cell: Tensor) -> State:
    enter, forget, new, leave = (inputs + hidden).chunk(4, -1)
    cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
    return leave.sigmoid() * cell.tanh(), cell


CELLS: dict[Any, Cell] = {torch.rnn_tanh: _tanh, torch.rnn_relu: _relu, torch.gru: _gru, torch.lstm: _lstm}
"""Fused layers of torch, and the cells in the equations of their documentation."""


def is_recurrent(func: Any, args: Sequence[Any]) -> bool:
    """Whether `compute_recurrent` can replace this call: no packed sequence, second direction or projection."""
    if func not in CELLS or len(args) != 9 or not isinstance(args[3], bool):
        return False
    _, _, weights, biases, layers, _, _, bidirectional, _ = args
    return not bidirectional and len(weights) == layers * (4 if biases else 2)


def compute_layer(
    cell: Cell,
    x: Tensor,
    state: State,
    time: int,
    of_input: Tensor,
    of_hidden: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Run one layer: outputs (B, T, H) and the state after T; the products with the inputs of all steps are one."""
    outputs = []
    for inputs in F.linear(x.flatten(0, 1), of_input, input_bias).unflatten(0, x.shape[:2]).unbind(time):
        state = cell(inputs, F.linear(state[0], of_hidden, hidden_bias), *state)
        outputs.append(state[0])
    return torch.stack(outputs, time), state


def compute_recurrent(
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
    *,
    run_layer: Callable[..., tuple[Tensor, State]] = compute_layer,
) -> tuple[Tensor, ...]:
    """Return what a function of `CELLS` returns for its arguments: outputs (B, T, H) and states (layers, B, H) after T.

    Without `batch_first`, x and outputs have time before the batch. `run_layer` may replace `compute_layer`.
    """
    time, each = int(batch_first), len(weights) // layers
    befores = before if func is torch.lstm else (before,)
    after = []
    for layer in range(layers):
        if layer:
            x = F.dropout(x, dropout, train)
        state = tuple(tensor[layer] for tensor in befores)
        x, state = run_layer(CELLS[func], x, state, time, *weights[layer * each : (layer + 1) * each])
        after.append(state)
    return x, *map(torch.stack, zip(*after, strict=True))
