"""Models of counts, which seeds do not change, beside trained models: verdicts stay honest."""

import numpy as np
import pytest

from zoo.experiments.judge.analysis import analyse

TOKENS = np.full(200, 8.0)


def draw_nats(draw: np.random.Generator, trained: int, counted: int, seeds: int, apart: float = 0.0) -> np.ndarray:
    """Nats (K, n, D) of equal models; those trained share a part of what a seed does; `apart`: of the last one."""
    documents, common = 20 + draw.normal(0, 3, TOKENS.size), draw.normal(0, 0.05, seeds)
    models = []
    for number in range(trained + counted):
        own = np.tile(documents + draw.normal(0, 1, TOKENS.size), (seeds, 1))
        if number < trained:
            own += (common + draw.normal(0, 0.05, seeds))[:, None] * TOKENS + draw.normal(0, 0.3, own.shape)
        models.append(own)
    models[-1] += apart * TOKENS
    return np.array(models)


@pytest.mark.parametrize(
    ("trained", "counted"), [(0, 3), *(pytest.param(*own, marks=pytest.mark.slow) for own in [(3, 1), (4, 3), (1, 2)])]
)
def test_equal_models_are_called_different_in_at_most_5_percent_of_studies(trained, counted):
    draw, labels = np.random.default_rng(trained), [f"m{k}" for k in range(trained + counted)]
    studies = [analyse(labels, draw_nats(draw, trained, counted, 3), TOKENS) for _ in range(200)]
    wrong = sum(any(pair.verdict in ("better", "worse") for pair in study.pairs) for study in studies)
    assert wrong <= 20, "5% of 200 are 10; more than 20 by chance in one of a thousand"


def test_trained_models_share_their_variance_as_they_do_without_counts():
    draw = np.random.default_rng(0)
    nats = draw_nats(draw, 5, 2, 5)
    alone = analyse([f"m{k}" for k in range(5)], nats[:5], TOKENS)
    beside = analyse([f"m{k}" for k in range(7)], nats, TOKENS)
    assert alone.method == beside.method == "Tukey, pooled"
    both = {(pair.a, pair.b) for pair in alone.pairs}
    pooled, freedom = beside.family.ranging.seeds, beside.family.ranging.seeds_freedom
    shared = [place for place, pair in enumerate(beside.pairs) if (pair.a, pair.b) in both]
    assert pooled[shared] == pytest.approx(alone.family.ranging.seeds)
    assert set(freedom[shared]) == {(5 - 1) * (5 - 1)}
    counts = next(place for place, pair in enumerate(beside.pairs) if (pair.a, pair.b) == ("m5", "m6"))
    assert pooled[counts] == 0, "what seeds do not change is as certain as the documents"


def test_no_number_of_seeds_is_asked_for_where_seeds_change_nothing():
    draw = np.random.default_rng(2)
    study = analyse(["trained", "one", "other"], draw_nats(draw, 1, 2, 3, apart=0.02), TOKENS)
    pairs = {(pair.a, pair.b): pair for pair in study.pairs}
    assert pairs["one", "other"].seeds_se == 0
    if pairs["one", "other"].verdict == "undecided":
        assert pairs["one", "other"].seeds_needed is None


def test_two_models_of_counts_are_told_apart_by_documents_alone():
    draw = np.random.default_rng(3)
    study = analyse(["one", "other"], draw_nats(draw, 0, 2, 3, apart=0.5), TOKENS)
    (pair,) = study.pairs
    assert (pair.verdict, pair.seeds_se) == ("better", 0)
