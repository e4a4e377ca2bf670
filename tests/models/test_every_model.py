"""Claims about every built-in model beyond the contract (tests/conformance)."""

import math

import pytest
import torch
from trained_models import COUNTED

from zoo.catalog import MODELS
from zoo.training.loss import cross_entropy

BUILT_IN = [entry.name for entry in MODELS.entries() if entry.origin == "built in"]


@pytest.fixture(params=[*BUILT_IN, "transformer(tied=true)"])
def text(request) -> str:
    return request.param


def test_the_first_loss_is_near_that_of_a_uniform_guess(text, fresh_model, draw):
    model = fresh_model(text)
    tokens, targets = draw(32, 24, vocab_size=27), draw(32, 24, vocab_size=27, seed=1)
    for training in (True, False):
        loss = cross_entropy(model.train(training)(tokens), targets).item()
        assert loss == pytest.approx(math.log(27), abs=0.2)


def test_a_seed_makes_a_model_and_leaves_other_random_numbers_alone(text, fresh_model):
    before = torch.get_rng_state()
    first, again, another = (fresh_model(text, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    weights, same, others = (
        torch.cat([tensor.flatten() for tensor in [*model.parameters(), *model.buffers()]])
        for model in (first, again, another)
    )
    assert torch.equal(weights, same)
    assert text in ("bigram", *COUNTED) or not torch.equal(weights, others)
