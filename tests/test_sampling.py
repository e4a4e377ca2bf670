"""Sampling, on a bigram whose probabilities are known."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from zoo.catalog import MODELS
from zoo.errors import RunError
from zoo.models.bigram import Bigram
from zoo.models.build import build
from zoo.sampling import choose, generate, stream

DRAWS = 20_000
LOGITS = [0.3, -0.4, 1.1, 0.6, -1.2]


def bigram(table: list[list[float]]) -> Bigram:
    model = Bigram(Bigram.Config(), vocab_size=len(table), context=1)
    model.load_state_dict({"table.weight": torch.tensor(table)})
    return model


@pytest.fixture
def random_bigram() -> Bigram:
    return bigram(torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).tolist())


@pytest.fixture
def chain() -> Bigram:
    """A bigram with the nearly certain chain 1 -> 2 -> 3 -> boundary -> 1."""
    return bigram((20 * torch.eye(4).roll(1, dims=1)).tolist())


def prompt(*tokens: int) -> Tensor:
    return torch.tensor(tokens, dtype=torch.long)


def assert_drawn_from(probabilities: Tensor, counts: Counter[int], total: int) -> None:
    """Check that every count is within 5 standard deviations of its expectation."""
    for token, p in enumerate(probabilities.tolist()):
        assert abs(counts[token] - total * p) <= 5 * (total * p * (1 - p)) ** 0.5, token


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax_of_logits_over_temperature(temperature):
    logits = torch.tensor(LOGITS)
    drawn = choose(
        logits.expand(DRAWS, -1), temperature=temperature, top_k=None, generator=torch.Generator().manual_seed(0)
    )
    assert_drawn_from((logits / temperature).softmax(0), Counter(drawn.tolist()), DRAWS)


@pytest.mark.parametrize("top_k", [1, 2, 4, 5, 9])
def test_top_k_draws_from_the_k_likeliest_in_proportion(top_k):
    logits = torch.tensor(LOGITS)
    drawn = choose(logits.expand(DRAWS, -1), temperature=1.0, top_k=top_k, generator=torch.Generator().manual_seed(0))
    kept = sorted(range(5), key=lambda token: -LOGITS[token])[:top_k]
    weights = torch.tensor([logits[token].exp() if token in kept else 0.0 for token in range(5)])
    assert_drawn_from(weights / weights.sum(), Counter(drawn.tolist()), DRAWS)


@pytest.mark.parametrize(("top_p", "kept"), [(1e-9, 1), (0.3, 1), (0.5, 2), (0.6, 2), (0.75, 3), (0.99, 5), (1.0, 5)])
def test_top_p_draws_from_the_fewest_likeliest_that_hold_the_share(top_p, kept):
    logits = torch.tensor(LOGITS)  # probabilities 0.20, 0.10, 0.45, 0.27, 0.05
    drawn = choose(logits.expand(DRAWS, -1), top_p=top_p, generator=torch.Generator().manual_seed(0))
    nucleus = sorted(range(5), key=lambda token: -LOGITS[token])[:kept]
    weights = torch.tensor([logits[token].exp() if token in nucleus else 0.0 for token in range(5)])
    assert_drawn_from(weights / weights.sum(), Counter(drawn.tolist()), DRAWS)


def test_the_share_of_top_p_is_of_the_k_likeliest_at_the_temperature():
    logits = torch.tensor(LOGITS)
    options = {"temperature": 0.5, "top_k": 3, "top_p": 0.65}  # at 0.5: 0.63 and 0.23 of the three likeliest
    drawn = choose(logits.expand(DRAWS, -1), **options, generator=torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {2, 3}


def test_a_stream_gives_the_tokens_of_generate_as_they_come(random_bigram):
    options = {"count": 6, "length": 12, "seed": 3}
    tokens = torch.stack(list(stream(random_bigram, prompt(2), **options)), dim=1).tolist()
    rows = [row[: row.index(0)] if 0 in row else row for row in tokens]
    assert rows == generate(random_bigram, prompt(2), **options)
    assert all(set(row[row.index(0) :]) == {0} for row in tokens if 0 in row)


def test_a_stream_that_is_left_early_leaves_the_model_in_its_mode(random_bigram):
    random_bigram.train()
    tokens = stream(random_bigram, prompt(), count=2, length=9, stops=False)
    next(tokens)
    tokens.close()
    assert random_bigram.training


def test_every_transition_is_drawn_from_the_row_of_the_last_token(random_bigram):
    rows = generate(random_bigram, prompt(3), count=4000, length=4, stops=True, seed=1)
    transitions: dict[int, Counter[int]] = {token: Counter() for token in range(5)}
    for row in rows:
        ended = [*row, 0][:4]
        for last, following in zip([3, *ended], ended, strict=False):
            transitions[last][following] += 1
    for last in range(1, 5):
        expected = random_bigram.table.weight[last].softmax(0)
        assert_drawn_from(expected, transitions[last], transitions[last].total())


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(random_bigram):
    first, again, other = (generate(random_bigram, prompt(), count=20, length=9, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_random_numbers_of_others_are_left_alone(random_bigram):
    before = torch.get_rng_state()
    generate(random_bigram, prompt(), count=2, length=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_temperature_zero_is_greedy(random_bigram):
    table, expected = random_bigram.table.weight, []
    last = 2
    for _ in range(8):
        last = int(table[last, 1:].argmax()) + 1
        expected.append(last)
    rows = generate(random_bigram, prompt(2), count=3, length=8, temperature=0, stops=False)
    assert rows == [expected] * 3


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [((), 9, [1, 2, 3]), ((1,), 9, [2, 3]), ((1, 2), 9, [3]), ((3,), 9, []), ((), 2, [1, 2]), ((), 0, [])],
)
def test_samples_follow_the_prompt_and_stop_at_the_boundary_or_the_length(chain, start, length, expected):
    assert generate(chain, prompt(*start), count=2, length=length) == [expected] * 2


def test_a_sample_that_has_stopped_draws_no_more_while_others_go_on():
    sure = 40.0
    model = bigram([[-sure, sure, sure, -sure], [sure, 0, 0, 0], [0, 0, 0, sure], [sure, 0, 0, 0]])
    rows = generate(model, prompt(), count=50, length=9)
    assert sorted(map(tuple, rows), key=len) == [(1,)] * rows.count([1]) + [(2, 3)] * rows.count([2, 3])
    assert 0 < rows.count([1]) < 50


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_k": 1}, {"top_k": 3}])
def test_without_stops_the_boundary_is_never_drawn(options):
    model = bigram([[9.0, 1.0, 0.5, 0.0]] * 4)
    rows = generate(model, prompt(), count=50, length=6, stops=False, **options)
    assert all(len(row) == 6 and 0 not in row for row in rows)


@pytest.mark.parametrize("name", ["wavenet", "gru", "transformer"])
def test_greedy_samples_are_the_likeliest_tokens_of_the_dense_forward(name):
    model_class = MODELS.get(name)
    model = build(model_class, model_class.Config(), vocab_size=11, context=8, seed=0).eval()
    rows = generate(model, prompt(4, 2), count=2, length=12, temperature=0, stops=False)
    logits = model(torch.tensor([[0, 4, 2, *row] for row in rows]))[:, 2:-1]
    assert (logits[:, :, 1:].argmax(dim=-1) + 1).tolist() == rows


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_without_a_largest_finite_one_are_refused(value: float, temperature: float) -> None:
    with pytest.raises(RunError, match="is not a finite number"):
        choose(torch.full((2, 5), value), temperature=temperature)
