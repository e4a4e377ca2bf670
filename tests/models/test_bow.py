"""The bag of words against a loop over positions."""

import torch
from torch import Tensor


def naive(model, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), position by position."""
    rows = []
    for row in tokens.tolist():
        logits = []
        for t in range(len(row)):
            vectors = [model.embedding.weight[token] for token in row[: t + 1]]
            bag = torch.cat([sum(vectors) / len(vectors), vectors[-1]])
            hidden = (model.hidden.weight @ bag + model.hidden.bias).relu()
            logits.append(model.head.weight @ hidden + model.head.bias)
        rows.append(torch.stack(logits))
    return torch.stack(rows)


def test_it_is_an_mlp_on_the_mean_of_the_past_and_the_last_token(make_model, draw, assert_model_is):
    model = make_model("bow(embedding=4,hidden=9)")
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, 12))


def test_the_order_of_earlier_tokens_does_not_matter(make_model, draw):
    model = make_model("bow")
    tokens = draw(2, 12)
    shuffled = torch.cat([tokens[:, :-1].flip(1), tokens[:, -1:]], dim=1)
    torch.testing.assert_close(model(tokens)[:, -1], model(shuffled)[:, -1])
