"""Counts of the numbers that training changes beside the parameters."""

import torch
from torch import Tensor, nn

from zoo.models.build import build, count_buffers, count_parameters
from zoo.models.interface import ModelOptions, SequenceModel

V = 11


class Counting(SequenceModel):
    """Stores numbers beside its parameters in several ways."""

    shared: Tensor
    table: Tensor
    again: Tensor
    constant: Tensor
    cache: Tensor
    passing: Tensor

    def __init__(self, config: ModelOptions, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, vocab_size)
        self.register_buffer("table", torch.zeros(vocab_size, 7))
        self.register_buffer("again", self.table)  # shares the memory
        self.register_buffer("constant", torch.ones(500))
        self.register_buffer("cache", torch.zeros(0))
        self.register_buffer("passing", torch.zeros(30), persistent=False)
        self.frozen = nn.Parameter(torch.zeros(13), requires_grad=False)
        self.norm = nn.BatchNorm1d(vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.training:
            self.table[tokens.flatten(), 0] += 1
            self.frozen[0] += 1
            self.cache = torch.ones(5)
            self.passing += 1
        return self.norm(self.embedding(tokens).flatten(0, 1)).unflatten(0, tokens.shape)


def fresh() -> SequenceModel:
    return build(Counting, Counting.Config(), vocab_size=V, context=8, seed=0)


def test_nothing_has_changed_before_training() -> None:
    assert count_buffers(fresh(), fresh()) == 0


def test_every_tensor_that_changed_counts_whole_and_once() -> None:
    model = fresh()
    model(torch.zeros(2, 8, dtype=torch.long))
    norm = 2 * V + 1
    assert count_buffers(model, fresh()) == 7 * V + 13 + 5 + norm


def test_parameters_that_are_trained_are_not_among_them() -> None:
    model = fresh()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 1
    assert count_buffers(model, fresh()) == 0
    assert count_parameters(model) == V * V + 2 * V


def test_evaluation_leaves_them_alone() -> None:
    model = fresh().eval()
    model(torch.zeros(2, 8, dtype=torch.long))
    assert count_buffers(model, fresh()) == 0
