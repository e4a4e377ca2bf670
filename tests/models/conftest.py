"""Fixtures of the models' tests."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel

MakeModel = Callable[..., SequenceModel]
AssertModelIs = Callable[[SequenceModel, Callable[[Tensor], Tensor], Tensor], None]


@pytest.fixture
def fresh_model() -> MakeModel:
    """Build a model as for training, from text such as `wavenet(tree=true)`."""

    def make(text: str, *, context: int = 8, vocab_size: int = 27, seed: int = 0) -> SequenceModel:
        call = parse_call(text)
        model = MODELS.get(call.name)
        config = model_config(model, call.options, call.name)
        return build(model, config, vocab_size=vocab_size, context=context, seed=seed)

    return make


@pytest.fixture
def make_model(fresh_model: MakeModel) -> MakeModel:
    """Build a model in evaluation mode and float64, without numbers 0 or 1, which could hide a fault."""

    def make(text: str, *, context: int = 8, vocab_size: int = 11, seed: int = 0) -> SequenceModel:
        model = fresh_model(text, context=context, vocab_size=vocab_size, seed=seed).double().eval()
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
                parameter.add_(noise * 0.5 / parameter.shape[-1] ** 0.5)
            for buffer in model.buffers():
                buffer.add_(torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype))
        return model

    return make


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """Draw random tokens (B, T), the same in every run."""

    def tokens(B: int, T: int, *, vocab_size: int = 11, seed: int = 0) -> Tensor:
        return torch.randint(0, vocab_size, (B, T), generator=torch.Generator().manual_seed(seed))

    return tokens


@pytest.fixture
def assert_model_is() -> AssertModelIs:
    """Check a model against a naive function of its tokens: logits, and gradients of all parameters."""

    def check(model: SequenceModel, naive: Callable[[Tensor], Tensor], tokens: Tensor) -> None:
        actual, expected = model(tokens), naive(tokens)
        torch.testing.assert_close(actual, expected)
        direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0), dtype=expected.dtype)
        parameters = list(model.parameters())
        for gradient, other in zip(
            torch.autograd.grad(actual, parameters, direction),
            torch.autograd.grad(expected, parameters, direction),
            strict=True,
        ):
            torch.testing.assert_close(gradient, other)

    return check
