"""The defaults of the base class."""

import pytest
import torch
from torch import nn

from zoo.errors import UsageError
from zoo.models.build import build
from zoo.models.interface import SequenceModel


class Window(SequenceModel):
    """Records the length of the rows that forward was given."""

    @property
    def receptive_field(self) -> int:
        return self.context

    def forward(self, tokens):
        return torch.full((*tokens.shape, self.vocab_size), float(tokens.shape[1]))


def test_a_model_without_options_needs_no_config():
    class Mine(SequenceModel):
        def __init__(self, config, *, vocab_size, context):
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.table = nn.Embedding(vocab_size, vocab_size)

        def forward(self, tokens):
            return self.table(tokens)

    model = Mine(Mine.Config(), vocab_size=5, context=3)
    logits, _ = model.step(torch.tensor([1, 4]), model.begin(2))
    torch.testing.assert_close(logits, model.table.weight[[1, 4]])


def test_the_default_state_keeps_what_the_next_logits_may_see():
    model = Window(Window.Config(), vocab_size=2, context=4)
    state = model.begin(1)
    lengths = []
    for token in range(6):
        logits, state = model.step(torch.tensor([token]), state)
        lengths.append(int(logits[0, 0]))
    assert lengths == [1, 2, 3, 4, 4, 4]
    assert state["tokens"].tolist() == [[3, 4, 5]]


def test_a_model_without_forward_says_what_it_must_define():
    model = SequenceModel(SequenceModel.Config(), vocab_size=2, context=1)
    with pytest.raises(NotImplementedError, match="must define forward"):
        model(torch.zeros(1, 1, dtype=torch.long))


def test_a_lazy_layer_is_told_to_need_its_sizes():
    class Lazy(SequenceModel):
        def __init__(self, config, *, vocab_size, context):
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.layers = nn.Sequential(nn.Embedding(vocab_size, 4), nn.LazyLinear(vocab_size))

    with pytest.raises(
        UsageError, match=r"^Model Lazy: 'layers.1' is a LazyLinear, .* built with its sizes \(Linear\)"
    ):
        build(Lazy, Lazy.Config(), vocab_size=5, context=2, seed=0)
