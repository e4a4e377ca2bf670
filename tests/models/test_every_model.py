"""What holds for every built-in model, and for options that change how one computes."""

import math

import pytest
import torch
from torch import Tensor

from zoo.catalog import MODELS
from zoo.training.loss import cross_entropy

BUILT_IN = [entry.name for entry in MODELS.entries() if entry.origin == "built in"]
CONTEXTS = dict.fromkeys(BUILT_IN, 8) | {
    "mlp(hidden=20)": 1,
    "wavenet(tree=true)": 8,
    "wavenet(tree=true,per_position=true)": 8,
    "wavenet(n=4)": 16,
    "wavenet(n=3)": 9,
    "wavenet(n=5)": 5,
    "dilated-wavenet(kernel=3,stacks=2)": 8,
    "dilated-wavenet(stacks=3)": 7,
    "gru(layers=2)": 8,
    "lstm(layers=2,dropout=0.5)": 8,
    "transformer(learned_positions=6)": 8,
    "transformer(tied=true)": 8,
    "transformer(heads=2,layers=1,dropout=0.5)": 8,
}


@pytest.fixture(params=CONTEXTS)
def text(request) -> str:
    return request.param


@pytest.fixture
def model(text, make_model):
    return make_model(text, context=CONTEXTS[text])


def other(tokens: Tensor) -> Tensor:
    """Tokens of which each is another than it was."""
    return (tokens + 1) % 11


def test_logits_of_the_next_token_at_every_position(model, draw):
    N = model.context
    for B, T in [(1, 1), (3, 1), (2, max(1, N - 1)), (2, N), (4, 3 * N)]:
        logits = model(draw(B, T))
        assert logits.shape == (B, T, 11)
        assert logits.isfinite().all()


def test_future_tokens_do_not_change_past_logits(model, draw):
    tokens = draw(2, 3 * model.context)
    logits = model(tokens)
    for t in range(tokens.shape[1]):
        changed = torch.cat([tokens[:, : t + 1], other(tokens[:, t + 1 :])], dim=1)
        torch.testing.assert_close(model(changed)[:, : t + 1], logits[:, : t + 1], rtol=0, atol=1e-12)


def test_a_row_ends_anywhere_without_changing_its_logits(model, draw):
    tokens = draw(2, 2 * model.context)
    logits = model(tokens)
    for T in range(1, tokens.shape[1]):
        torch.testing.assert_close(model(tokens[:, :T]), logits[:, :T], rtol=0, atol=1e-12)


def test_rows_of_a_batch_do_not_see_each_other(model, draw):
    tokens = draw(3, 2 * model.context)
    logits = model(tokens)
    for row in range(3):
        torch.testing.assert_close(model(tokens[row : row + 1])[0], logits[row], rtol=0, atol=1e-12)


def test_the_receptive_field_is_what_a_probe_finds(model, draw):
    T = 3 * model.context + 2
    tokens = draw(1, T)
    last = model(tokens)[:, -1]
    seen = []
    for back in range(T):
        changed = tokens.clone()
        changed[:, T - 1 - back] = other(changed[:, T - 1 - back])
        seen.append((model(changed)[:, -1] - last).abs().max().item() > 1e-12)
    assert seen == [back < (model.receptive_field or T) for back in range(T)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("first", [1, 5, 20])
def test_streamed_logits_equal_dense_ones(model, draw, dtype, tolerance, first):
    model.to(dtype)
    tokens = draw(2, 3 * model.context)
    dense = model(tokens)
    logits, state = model.prefill(tokens[:, :first], model.begin(2))
    for t in range(min(first, tokens.shape[1]), tokens.shape[1]):
        torch.testing.assert_close(logits, dense[:, t - 1], rtol=0, atol=tolerance)
        logits, state = model.step(tokens[:, t], state)
    torch.testing.assert_close(logits, dense[:, -1], rtol=0, atol=tolerance)


def test_a_stream_can_be_prefilled_in_parts_and_begun_with_a_step(model, draw):
    N = model.context
    tokens = draw(2, 3 * N)
    _, state = model.step(tokens[:, 0], model.begin(2))
    for start, stop in [(1, N), (N, 3 * N - 1), (3 * N - 1, 3 * N)]:
        if start < stop:
            logits, state = model.prefill(tokens[:, start:stop], state)
    torch.testing.assert_close(logits, model(tokens)[:, -1], rtol=0, atol=1e-10)


def test_a_state_is_tensors_batch_first(model, draw):
    _, state = model.prefill(draw(3, 2), model.begin(3))
    assert state
    assert all(isinstance(tensor, Tensor) and tensor.shape[0] == 3 for tensor in state.values())


def test_a_state_dict_carries_everything_the_logits_depend_on(text, model, make_model, draw):
    N = CONTEXTS[text]
    second = make_model(text, context=N, seed=1)
    tokens = draw(2, 2 * N)
    assert not torch.allclose(second(tokens), model(tokens))
    second.load_state_dict(model.state_dict())
    torch.testing.assert_close(second(tokens), model(tokens), rtol=0, atol=0)


def test_every_parameter_learns(text, model, draw):
    tokens = draw(8, 3 * CONTEXTS[text])
    cross_entropy(model.train()(tokens), other(tokens)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_first_loss_is_near_that_of_a_uniform_guess(text, fresh_model, draw):
    model = fresh_model(text, context=CONTEXTS[text])
    tokens, targets = draw(32, 24, vocab_size=27), draw(32, 24, vocab_size=27, seed=1)
    for training in (True, False):
        loss = cross_entropy(model.train(training)(tokens), targets).item()
        assert loss == pytest.approx(math.log(27), abs=0.2)


def test_a_seed_makes_a_model_and_leaves_other_random_numbers_alone(text, fresh_model):
    before = torch.get_rng_state()
    first, again, another = (fresh_model(text, context=CONTEXTS[text], seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    weights, same, others = (torch.cat([p.flatten() for p in model.parameters()]) for model in (first, again, another))
    assert torch.equal(weights, same)
    assert text == "bigram" or not torch.equal(weights, others)
