"""Models against one baseline, contrasts of several models, and what an ablation makes of them."""

import numpy as np
import pytest

from zoo.experiments.judge.ablation import share_levels
from zoo.experiments.judge.analysis import analyse, find_contrasts_of
from zoo.experiments.judge.criterion import Criterion
from zoo.experiments.judge.tukey import range_tail
from zoo.experiments.study.config import StudyConfig

DRAWS = 400_000
TOKENS = np.full(400, 10.0)


def scores(
    rng: np.random.Generator,
    models: int,
    seeds: int,
    *,
    means: np.ndarray | None = None,
    spread: np.ndarray | float = 1.0,
) -> np.ndarray:
    """(K, n, D) nats of models that share seeds and documents."""
    documents = len(TOKENS)
    common = rng.normal(size=(1, seeds, 1)) * 0.02 + rng.normal(size=(1, 1, documents)) * 0.3
    own = rng.normal(size=(models, seeds, 1)) * 0.01 * np.broadcast_to(spread, models)[:, None, None]
    noise = rng.normal(size=(models, seeds, documents)) * 0.05
    levels = np.zeros(models) if means is None else means
    return (2.0 + levels[:, None, None] + common + own + noise) * TOKENS


@pytest.mark.parametrize(("models", "freedom"), [(2, 4), (4, 9), (13, 48)])
def test_the_tail_is_that_of_the_largest_distance_from_the_baseline(models: int, freedom: int) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(DRAWS, models)) / np.sqrt(rng.chisquare(freedom, size=(DRAWS, 1)) / freedom)
    largest = np.abs(numbers[:, 1:] - numbers[:, :1]).max(1)
    for share in (0.2, 0.05, 0.01):
        q = np.quantile(largest, 1 - share)
        assert range_tail(q, models, freedom, baseline=True) == pytest.approx(share, rel=0.05)


def test_a_baseline_needs_a_smaller_distance_than_all_pairs() -> None:
    q = np.array([2.0, 3.0, 4.0])
    assert (range_tail(q, 8, 20, baseline=True) < range_tail(q, 8, 20)).all()
    assert range_tail(q, 2, 20, baseline=True) == pytest.approx(range_tail(q, 2, 20))


@pytest.mark.parametrize("spread", [1.0, np.array([1, 1, 1, 1, 1, 6.0])], ids=["alike", "one wild"])
def test_equal_variants_are_called_different_in_few_studies(spread: float | np.ndarray) -> None:
    rng, wrong = np.random.default_rng(1), 0
    labels, studies = list("abcdef"), 300
    for _ in range(studies):
        found = analyse(labels, scores(rng, 6, 5, spread=spread), TOKENS, baseline="c")
        wrong += any(pair.verdict in ("better", "worse") for pair in found.pairs)
    assert wrong / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def test_only_differences_from_the_baseline_are_judged_by_their_simultaneous_intervals() -> None:
    rng = np.random.default_rng(2)
    nats = scores(rng, 5, 6, means=np.array([0, 0.1, -0.1, 0.004, 0]))
    nats[4] = nats[0]
    found = analyse(list("abcde"), nats, TOKENS, baseline="a")
    assert [(pair.a, pair.b) for pair in found.pairs] == [("b", "a"), ("c", "a"), ("d", "a"), ("e", "a")]
    losses = nats.sum(2) / TOKENS.sum()
    for pair, own in zip(found.pairs, losses[1:] - losses[0], strict=True):
        assert pair.difference == pytest.approx(own.mean())
        excludes = (pair.joint_low or 0) > 0 or (pair.joint_high or 0) < 0
        assert excludes == ((pair.p or 0) < 0.05) == (pair.verdict in ("better", "worse"))
    assert [pair.verdict for pair in found.pairs][:2] == ["worse", "better"]
    assert set(found.letters.values()) == {""}


def test_a_margin_calls_a_small_effect_equal() -> None:
    nats = scores(np.random.default_rng(3), 3, 8)
    found = analyse(list("abc"), nats, TOKENS, baseline="a", criterion=Criterion(margin=0.2))
    assert [pair.verdict for pair in found.pairs] == ["equal", "equal"]


def test_a_contrast_is_that_of_the_means_with_the_error_of_all_contrasts() -> None:
    rng = np.random.default_rng(4)
    nats = scores(rng, 4, 5, means=np.array([0, 0.02, 0.03, 0.15]))
    losses = nats.sum(2) / TOKENS.sum()
    weights = np.array([[1.0, -1, -1, 1], [0, 1, -1, 0]])
    together, alone = (find_contrasts_of(nats, TOKENS, weights[:rows]) for rows in (2, 1))
    for contrast, own in zip(together, weights, strict=True):
        assert contrast.mean == pytest.approx((own @ losses).mean())
    assert together[0].p == pytest.approx(2 * (alone[0].p or 0), rel=0.05)
    assert (together[0].low or 0) < (alone[0].low or 0)


def test_contrasts_of_models_without_interaction_are_found_in_few_studies() -> None:
    rng, weights, studies = np.random.default_rng(5), np.array([[1.0, -1, -1, 1]]), 300
    wrong = 0
    for _ in range(studies):
        (found,) = find_contrasts_of(scores(rng, 4, 5, means=np.array([0, 0.1, 0.2, 0.3])), TOKENS, weights)
        wrong += found.p is not None and found.p < 0.05
    assert wrong / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def study(*variants: str) -> StudyConfig:
    models = [{"label": "m", "model": "m"}, *({"label": own, "model": f"m({own})"} for own in variants)]
    return StudyConfig.model_validate({"name": "s", "models": models, "baseline": "m", "seeds": [1, 2, 3, 4, 5]})


def test_effects_and_interactions_share_the_error_by_their_numbers() -> None:
    own = study("a=1", "b=2", "a=1,b=2")
    effects, interactions = share_levels(own, ["m", "a=1", "b=2", "a=1,b=2"], 0.04)
    assert (effects, interactions) == pytest.approx((0.03, 0.01))
    assert share_levels(own, ["m", "a=1", "a=1,b=2"], 0.04) == pytest.approx((0.04, 0.0))


def test_changes_are_the_options_unlike_the_baseline() -> None:
    models = [{"label": "m", "model": "m(a=1,b=true)"}, {"label": "v", "model": "m(a=1,b=false,c=x)"}]
    own = StudyConfig.model_validate({"name": "s", "models": models, "baseline": "m"})
    assert own.changes_of("v") == {"b": False, "c": "x"}
    models[1]["model"] = "m(b=true)"
    assert StudyConfig.model_validate({"name": "s", "models": models, "baseline": "m"}).changes_of("v") == {
        "a": "default"
    }
