"""The MLP against a loop over windows."""

import pytest
import torch
from torch import Tensor

from zoo.models.build import count_parameters
from zoo.tokens import BOUNDARY


def naive(model, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), window by window, in evaluation mode."""
    norm, N = model.norm, model.context
    rows = []
    for row in tokens.tolist():
        padded = [BOUNDARY] * (N - 1) + row
        logits = []
        for t in range(len(row)):
            window = torch.cat([model.embedding.weight[token] for token in padded[t : t + N]])
            hidden = model.hidden.weight @ window
            hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5 * norm.weight + norm.bias
            logits.append(model.head.weight @ hidden.tanh() + model.head.bias)
        rows.append(torch.stack(logits))
    return torch.stack(rows)


@pytest.mark.parametrize("context", [1, 3, 8])
def test_it_is_one_hidden_layer_on_every_window(context, make_model, draw, assert_model_is):
    model = make_model("mlp(embedding=4,hidden=9)", context=context)
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, 12))


@pytest.mark.parametrize(("context", "parameters"), [(3, 12_097), (8, 22_097)])
def test_it_has_as_many_parameters_as_in_the_lecture(context, parameters, fresh_model):
    model = fresh_model("mlp(embedding=10,hidden=200)", context=context)
    assert count_parameters(model) == parameters
