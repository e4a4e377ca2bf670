import math

import numpy as np
import pytest

from zoo.experiments.runs.floor import CHANCE, find_impossible_score
from zoo.training.evaluation import Score


def score(loss: float, tokens: int = 1000) -> Score:
    return Score(np.array([loss * tokens]), np.array([tokens]))


def test_a_loss_that_no_honest_model_has_is_told() -> None:
    assert find_impossible_score({"test": score(1.5)}, {"test": 1.6}).startswith(
        "Its loss on test is 1.5000, but that of a perfect model is 1.6000: 100 nats better in total"
    )


@pytest.mark.parametrize("floor", [None, 1.5, 1.5 + 0.9 * -math.log(CHANCE) / 1000])
def test_a_loss_above_the_floor_or_a_little_below_it_is_sound(floor: float | None) -> None:
    assert find_impossible_score({"validation": score(1.5), "test": score(1.5)}, {"test": floor}) is None


def test_training_may_be_learned_by_heart() -> None:
    assert find_impossible_score({"train": score(0.1)}, {"train": 1.6}) is None


def test_models_that_have_not_seen_a_split_beat_the_perfect_one_as_seldom_as_is_claimed() -> None:
    """Compare exact probabilities of four symbols with estimates from 20 symbols, 4,000 times."""
    draw, perfect = np.random.default_rng(0), np.array([0.4, 0.3, 0.2, 0.1])
    learned = (draw.multinomial(20, perfect, size=4000) + 0.5) / 22
    seen = draw.multinomial(20, perfect, size=4000)
    ahead = (seen * np.log(learned / perfect)).sum(1)
    for nats in (0.5, 1.0, 2.0):
        assert 0 < (ahead > nats).mean() <= math.exp(-nats)
