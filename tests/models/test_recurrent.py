"""The recurrent networks against hand-written cells with torch's weights."""

import pytest
import torch
from torch import Tensor


def rnn(inner: Tensor, outer: Tensor, state: list[Tensor]) -> list[Tensor]:
    """h' = tanh(W x + U h)."""
    return [(inner + outer).tanh()]


def gru(inner: Tensor, outer: Tensor, state: list[Tensor]) -> list[Tensor]:
    """h' = (1 - z)·n + z·h, n = tanh(W x + r·(U h))."""
    (h,) = state
    (xr, xz, xn), (hr, hz, hn) = inner.chunk(3), outer.chunk(3)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    return [(1 - z) * (xn + r * hn).tanh() + z * h]


def lstm(inner: Tensor, outer: Tensor, state: list[Tensor]) -> list[Tensor]:
    """c' = f·c + i·g, h' = o·tanh(c')."""
    _, c = state
    i, f, g, o = (inner + outer).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return [o.sigmoid() * c.tanh(), c]


CELLS = {"rnn": (rnn, 1), "gru": (gru, 1), "lstm": (lstm, 2)}


def naive(model, name: str, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), by loops over rows, layers and tokens."""
    cell, parts = CELLS[name]
    rows = []
    for row in tokens.tolist():
        x = [model.embedding.weight[token] for token in row]
        for w_in, w_hidden, b_in, b_hidden in model.cells.all_weights:
            state = [torch.zeros(model.config.hidden, dtype=w_in.dtype)] * parts
            hidden = []
            for vector in x:
                state = cell(w_in @ vector + b_in, w_hidden @ state[0] + b_hidden, state)
                hidden.append(state[0])
            x = hidden
        rows.append(torch.stack([model.head.weight @ vector + model.head.bias for vector in x]))
    return torch.stack(rows)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_it_is_a_loop_over_cells(name, layers, make_model, draw, assert_model_is):
    model = make_model(f"{name}(embedding=3,hidden=5,layers={layers})")
    assert_model_is(model, lambda tokens: naive(model, name, tokens), draw(2, 9))


@pytest.mark.parametrize("layers", [1, 2])
def test_dropout_acts_in_training_alone(layers, make_model, draw):
    model, tokens = make_model(f"gru(layers={layers},dropout=0.5)"), draw(2, 9)
    assert torch.equal(model(tokens), model(tokens))
    model.train()
    assert not torch.equal(model(tokens), model(tokens))
