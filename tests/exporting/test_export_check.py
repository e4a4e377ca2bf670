"""The check of an exported file finds a fixed length, other logits and a wrong shape."""

import pytest
import torch

from zoo.catalog import MODELS
from zoo.errors import RunError
from zoo.exporting.check import check, draw_tokens, measure_difference
from zoo.exporting.form import rows_of, step_of
from zoo.models.build import build, model_config


@pytest.fixture
def model():
    kind = MODELS.get("mlp")
    return build(kind, model_config(kind, {}, "mlp"), vocab_size=9, context=4, seed=1).eval()


def test_the_model_itself_passes(model) -> None:
    found = check(model, model, rows_of(model))
    assert found.difference == 0
    assert len(set(found.shapes)) == 3
    step = step_of(model)
    assert check(model, step.module, step).difference < 1e-5


def test_a_length_that_is_fixed_is_found(model) -> None:
    def exported(tokens):
        if tokens.shape[1] not in (1, 8):
            raise ValueError("expected 8 tokens")
        return model(tokens)

    with pytest.raises(RunError, match=r"fails on tokens of shape \(4, 70\): expected 8 tokens"):
        check(model, exported, rows_of(model))


def test_other_logits_are_found(model) -> None:
    with pytest.raises(RunError, match=r"differ by \S+ on tokens of shape"):
        check(model, lambda tokens: model(tokens) + (tokens.shape[1] > 8) * 1e-3, rows_of(model))


def test_a_step_that_forgets_its_past_is_found(model) -> None:
    form = step_of(model)

    def exported(token, state):
        return form.module(token, form.module.begin(len(token)))[0], state

    with pytest.raises(RunError, match="differ"):
        check(model, exported, form)


def test_a_difference_is_relative_to_logits_above_one_and_infinite_without_numbers() -> None:
    large, nan = torch.tensor([100.0, -200.0]), torch.tensor([1.0, float("nan")])
    assert measure_difference(large + 0.1, large) == pytest.approx(0.0005, rel=1e-3)
    assert measure_difference(nan, torch.ones(2)) == float("inf")
    assert measure_difference(torch.ones(1), torch.ones(2)) == float("inf")
    infinite = torch.tensor([0.0, float("-inf")])
    assert measure_difference(infinite, infinite) == 0


def test_the_tokens_of_a_check_begin_with_a_boundary_and_are_other_rows(model) -> None:
    tokens = draw_tokens(model, 4, 30)
    assert tokens.shape == (4, 30)
    assert not tokens[:, 0].any()
    assert len(set(map(tuple, tokens.tolist()))) == 4
    assert torch.equal(tokens, draw_tokens(model, 4, 30))
