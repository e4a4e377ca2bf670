"""The bigram."""

import torch


def test_it_reads_a_row_of_its_table(make_model, draw, assert_model_is):
    model = make_model("bigram")
    assert_model_is(model, lambda tokens: torch.stack([model.table.weight[row] for row in tokens]), draw(2, 12))


def test_it_starts_as_a_uniform_guess(fresh_model, draw):
    assert not fresh_model("bigram")(draw(2, 12)).any()
