"""The recurrent networks against hand-written cells with torch's weights."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.packing import Packing


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


def naive(model, name: str, tokens: Tensor, masks: Sequence[Tensor | float] = ()) -> Tensor:
    """(B, T) -> (B, T, V), by loops over rows, layers and tokens; each layer's mask multiplies its recurrent matrix."""
    cell, parts = CELLS[name]
    masks, rows = masks or [1.0] * model.config.layers, []
    for row in tokens.tolist():
        x = [model.embedding.weight[token] for token in row]
        for (w_in, w_hidden, b_in, b_hidden), mask in zip(model.cells.all_weights, masks, strict=True):
            state = [torch.zeros(model.config.hidden, dtype=w_in.dtype)] * parts
            hidden = []
            for vector in x:
                state = cell(w_in @ vector + b_in, (w_hidden * mask) @ state[0] + b_hidden, state)
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


@pytest.fixture
def weight_dropped(make_model):
    """Build a model whose training drops recurrent weights, and the masks of its first batch under seed 0."""

    def make(name: str, layers: int):
        model = make_model(f"{name}(embedding=3,hidden=5,layers={layers},weight_dropout=0.4)").train()
        torch.manual_seed(0)
        masks = [F.dropout(torch.ones_like(weights[1]), 0.4) for weights in model.cells.all_weights]
        torch.manual_seed(0)
        return model, masks

    return make


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_weight_dropout_multiplies_recurrent_matrices_by_one_mask_for_all_rows_and_steps(
    name, layers, weight_dropped, draw, assert_model_is
):
    model, masks = weight_dropped(name, layers)
    assert all(0 < (mask == 0).double().mean() < 1 for mask in masks)
    assert_model_is(model, lambda tokens: naive(model, name, tokens, masks), draw(2, 9))


def test_weight_dropout_draws_another_mask_for_every_batch(weight_dropped, draw):
    model, _ = weight_dropped("lstm", 1)
    assert not torch.equal(model(draw(2, 9)), model(draw(2, 9)))


@pytest.mark.parametrize("name", CELLS)
def test_weight_dropout_drops_the_same_weights_of_packed_rows(name, weight_dropped, draw):
    model, masks = weight_dropped(name, 2)
    tokens, packing = draw(3, 9), Packing.of(torch.tensor([4, 9, 1]))
    packed = model.packed(packing.pack(tokens), packing)
    torch.testing.assert_close(packed, packing.pack(naive(model, name, tokens, masks)))


def test_weight_dropout_changes_no_evaluation_and_no_stream(make_model, draw):
    plain, dropping = (make_model(f"lstm(layers=2{option})") for option in ("", ",weight_dropout=0.4"))
    tokens = draw(2, 9)
    assert torch.equal(dropping(tokens), plain(tokens))
    streamed, _ = dropping.prefill(tokens, dropping.begin(2))
    torch.testing.assert_close(streamed, plain(tokens)[:, -1])
