"""The models of counts against arithmetic by hand, and against their papers' formulas written naively."""

import numpy as np
import pytest
import torch
from counted_reference import Reference

from zoo.data.tokens import Tokens
from zoo.models.bigram_counts import BigramCounts
from zoo.models.build import build
from zoo.models.counting import count_continuations, count_ngrams
from zoo.models.interface import SequenceModel
from zoo.models.kneser_ney import KneserNey, discount, find_discounts, score_orders
from zoo.models.unigram import Unigram
from zoo.training.checkpoint import load_weights, save_weights

V = 5
Documents = list[list[int]]


def fit(kind: type[SequenceModel], train: Documents, validation: Documents | None = None, **options: object):
    model = build(kind, kind.Config(**options), vocab_size=V, context=8, seed=0).eval()
    given = [Tokens.of(np.array(own) for own in text).flat for text in (train, validation or train)]
    return model, model.fit_counts(*given)


def probabilities(model: SequenceModel, row: list[int]) -> list[float]:
    """Probabilities (V,) of the token after a row."""
    return model(torch.tensor([row]))[0, -1].double().exp().tolist()


def draw_documents(seed: int) -> Documents:
    """Sixty documents of 0 to 8 tokens, of which token V - 1 never occurs."""
    draw = np.random.default_rng(seed)
    return [draw.integers(1, V - 1, draw.integers(0, 9)).tolist() for _ in range(60)]


def test_a_unigram_spreads_one_more_token_over_the_vocabulary():
    # Targets of the documents 1 1 2 and 1: 1 1 2 0 1 0, so 0, 1 and 2 occur 2, 3 and 1 times in n = 6.
    model, _ = fit(Unigram, [[1, 1, 2], [1]])
    expected = [(2 + 1 / 5) / 7, (3 + 1 / 5) / 7, (1 + 1 / 5) / 7, (1 / 5) / 7, (1 / 5) / 7]
    assert probabilities(model, [3]) == pytest.approx(expected, abs=1e-7)
    assert probabilities(model, [0, 1]) == pytest.approx(expected, abs=1e-7)


def test_a_bigram_gives_new_followers_what_witten_and_bell_say():
    # Pairs: 0 1, 1 1, 1 2, 2 0, 0 1, 1 0. After 1 come 1, 2 and 0 once each: c = 3, f = 3.
    model, _ = fit(BigramCounts, [[1, 1, 2], [1]])
    single = [(2 + 1 / 5) / 7, (3 + 1 / 5) / 7, (1 + 1 / 5) / 7, (1 / 5) / 7, (1 / 5) / 7]
    after = [(1 + 3 * single[0]) / 6, (1 + 3 * single[1]) / 6, (1 + 3 * single[2]) / 6, single[3] / 2, single[4] / 2]
    assert probabilities(model, [0, 1]) == pytest.approx(after, abs=1e-7)
    # After 0 comes 1 twice: c = 2, f = 1. Nothing came after 3.
    assert probabilities(model, [0])[1] == pytest.approx((2 + single[1]) / 3, abs=1e-7)
    assert probabilities(model, [3]) == pytest.approx(single, abs=1e-7)


def test_a_trigram_of_kneser_and_ney_is_what_the_paper_gives_by_hand():
    # Documents 1 2 and 3 2: "0 1 2 0" and "0 3 2 0". Too few counts for discounts of their own: 0.5, 1, 1.5.
    # Trigrams: 0 1 2, 1 2 0, 0 3 2, 3 2 0, and the bigrams 0 1 and 0 3 that open a document.
    # Bigrams by the tokens before them: 1 2 {0}, 2 0 {1, 3}, 3 2 {0}; 0 1 and 0 3 keep their counts 1.
    # Tokens by the tokens before them: 1 {0}, 3 {0}, 2 {1, 3}, 0 {2}: 1, 1, 2, 1, in all 5.
    model, _ = fit(KneserNey, [[1, 2], [3, 2]], order=3)
    rest = (0.5 + 0.5 + 1 + 0.5) / 5 / 5  # the discounts of all four tokens, evenly over V = 5
    single = [(1 - 0.5) / 5 + rest, (1 - 0.5) / 5 + rest, (2 - 1) / 5 + rest, (1 - 0.5) / 5 + rest, rest]
    # After 2: 0 counts 2, discounted by 1, and the half that is left goes to the single tokens.
    after_2 = [(2 - 1) / 2 + 1 / 2 * single[0], *(1 / 2 * p for p in single[1:])]
    assert probabilities(model, [2]) == pytest.approx(after_2, abs=1e-7)
    # After 1 2: 0 occurs once, discounted by 0.5, and the half that is left goes to what comes after 2.
    after_1_2 = [(1 - 0.5) / 1 + 0.5 * after_2[0], *(0.5 * p for p in after_2[1:])]
    assert probabilities(model, [0, 1, 2]) == pytest.approx(after_1_2, abs=1e-7)
    # At the start: 1 and 3 occur once each, of 2.
    first = [0.5 * single[0], (1 - 0.5) / 2 + 0.5 * single[1], 0.5 * single[2], 0.25 + 0.5 * single[3], 0.5 * single[4]]
    assert probabilities(model, [0]) == pytest.approx(first, abs=1e-7)
    assert probabilities(model, [4, 4, 4, 0]) == pytest.approx(first, abs=1e-7), "nothing is seen across a boundary"


def test_discounts_are_those_of_the_paper_or_the_usual_ones_where_counts_are_missing():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 20, 10, 6, 3])
    y = 40 / (40 + 2 * 20)
    assert find_discounts(counts) == pytest.approx([1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10])
    assert find_discounts(np.array([1, 1, 2, 3])).tolist() == [0.5, 1.0, 1.5], "none counts 4"
    few = np.repeat([1, 2, 3, 4], [1, 1, 9, 1])  # D_2 = 2 - 3 / 3 * 9 is negative
    assert find_discounts(few).tolist() == [0.5, 1.0, 1.5]


@pytest.mark.parametrize("order", range(1, 6))
@pytest.mark.parametrize("kind", ["documents", "stream"])
def test_kneser_ney_equals_a_naive_reference_after_every_context(kind, order):
    draw, documents = np.random.default_rng(order), draw_documents(order)
    flat = Tokens.of(np.array(own, dtype=int) for own in documents).flat
    sequences = [[0, *own, 0] for own in documents]
    if kind == "stream":
        stream = draw.choice(3, 400, p=[0.7, 0.2, 0.1]) + 1
        flat, sequences = Tokens.of([stream]).flat[:-1], [[0, *stream.tolist()]]
    reference = Reference(sequences, order, V)
    model = build(KneserNey, KneserNey.Config(order=order), vocab_size=V, context=8, seed=0).eval()
    model.fit_counts(flat, flat)
    rows = np.concatenate([draw.integers(0, V, (4, 12)), [sequences[0][:1] + [1] * 11]])
    expected = [
        [[reference.probability(tuple(row[: t + 1]), token) for token in range(V)] for t in range(12)]
        for row in rows.tolist()
    ]
    found = model(torch.from_numpy(rows)).double().exp()
    assert found.dtype == torch.float64
    assert (found - torch.tensor(expected, dtype=torch.float64)).abs().max() < 1e-6
    assert (found.sum(-1) - 1).abs().max() < 1e-6, "also after contexts that never occurred"
    assert found.min() > 0, "also of a token that never occurred"


def test_the_order_is_the_best_on_validation_as_evaluation_measures_it():
    train, validation = draw_documents(1), draw_documents(2)
    losses = {}
    for order in range(2, 9):
        model, said = fit(KneserNey, train, order=order)
        assert said == f"order {order}, as given"
        rows = [[0, *own, 0] for own in validation]
        nats = [-model(torch.tensor([row[:-1]]))[0, range(len(row) - 1), row[1:]].double() for row in rows]
        losses[order] = float(torch.cat(nats).mean())
    best = min(losses, key=losses.__getitem__)
    model, said = fit(KneserNey, train, validation)
    assert said == f"order {best}, the best of 2 to 8 on validation"
    given, _ = fit(KneserNey, train, order=best)
    assert model.shares.equal(given.shares), "validation chooses, and is not counted"


def test_another_validation_text_may_choose_another_order():
    draw = np.random.default_rng(0)
    train = [draw.integers(1, V, 200).tolist()]
    _, alike = fit(KneserNey, train, train)
    _, other = fit(KneserNey, train, [draw.integers(1, V, 200).tolist()])
    assert int(alike.split()[1].strip(",")) > int(other.split()[1].strip(","))


def test_no_order_looks_back_further_than_the_context():
    model = build(KneserNey, KneserNey.Config(), vocab_size=V, context=3, seed=0)
    assert model.receptive_field == 3
    with pytest.raises(Exception, match=r"order=5 looks back 4 tokens, context=3"):
        build(KneserNey, KneserNey.Config(order=5), vocab_size=V, context=3, seed=0)


def test_the_losses_of_all_orders_are_those_of_the_models():
    documents = draw_documents(3)
    flat = Tokens.of(np.array(own, dtype=int) for own in documents).flat
    levels = count_ngrams(flat, V, 3)
    shorter = [discount(levels[d], count_continuations(levels[d], levels[d + 1], V), V) for d in (0, 1)]
    losses = score_orders(flat, levels, shorter, [discount(level, level.counts, V) for level in levels], V)
    for order, loss in enumerate(losses, 1):
        model, _ = fit(KneserNey, documents, order=order)
        rows = [[0, *own, 0] for own in documents]
        nats = [-model(torch.tensor([row[:-1]]))[0, range(len(row) - 1), row[1:]].double() for row in rows]
        assert loss == pytest.approx(float(torch.cat(nats).mean()), abs=1e-6)


def test_counts_come_back_from_a_file_in_a_model_that_counted_nothing(tmp_path):
    model, _ = fit(KneserNey, draw_documents(4), order=4)
    other = build(KneserNey, KneserNey.Config(order=4), vocab_size=V, context=8, seed=1)
    load_weights(other, tmp_path / "w", save_weights(model, tmp_path / "w"))
    tokens = torch.randint(V, (3, 20), generator=torch.Generator().manual_seed(0))
    assert model(tokens).equal(other(tokens))
    again = build(KneserNey, KneserNey.Config(order=4), vocab_size=V, context=8, seed=1)
    again.load_state_dict(model.state_dict())
    assert model(tokens).equal(again(tokens))
