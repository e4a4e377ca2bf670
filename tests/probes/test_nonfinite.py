"""The first number that is not finite, forward or backward."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from traceable import Plain, tokens, with_body

from zoo.models.interface import SequenceModel
from zoo.probes.nonfinite import find_nonfinite


class Norm(nn.Module):
    """Divides by a norm that has no gradient at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.norm(dim=-1, keepdim=True) + 1)


class Log(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x)


class Root(nn.Module):
    """Finite forward, an infinite gradient at zero."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(x * x)


def spoil(place: str) -> SequenceModel:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Embedding(27, 8), nn.Linear(8, 8), Norm(), nn.Linear(8, 27))
    if place == "parameter":
        layers[3].bias.data[2] = float("nan")
    elif place == "forward":
        layers[2] = Log()
    elif place == "backward":
        layers[1].weight.data.zero_()
        layers[1].bias.data.zero_()
        layers[2] = Root()
    return Plain(layers)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", None),
        ("parameter", "parameter layers.3.bias has 1 NaN"),
        ("forward", "forward: layers.2 (Log) returns"),
        ("backward", "backward: layers.2 (Root) passes back"),
    ],
)
def test_the_first_layer_with_a_number_that_is_not_finite_is_named(place: str, said: str | None) -> None:
    found = find_nonfinite(spoil(place), tokens(), tokens().roll(-1, 1), "rows")
    assert (found is None) if said is None else (found or "").startswith(said)


def test_a_gradient_that_is_spoilt_between_layers_is_placed_in_the_layer_around_it() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 8)
            nn.init.zeros_(self.inner.weight)
            nn.init.zeros_(self.inner.bias)

        def forward(self, x: Tensor) -> Tensor:
            y = self.inner(x)
            return (y * y).sqrt()

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Around(), nn.Linear(8, 27)))
    found = find_nonfinite(model, tokens(), tokens().roll(-1, 1), "rows")
    assert found is not None
    assert found.startswith("backward: layers.1 (Around) passes back ")


SPOILT = {
    "a side branch": (lambda m, x: m.a(x) + (x - x).sqrt(), "layers (Body)"),
    "between layers": (lambda m, x: m.b((m.a(x) * 0).sqrt()), "layers (Body)"),
    "in place": (lambda m, x: m.b(m.a(x).mul_(0).sqrt_()), "layers (Body)"),
}


@pytest.mark.parametrize(("body", "where"), SPOILT.values(), ids=SPOILT)
def test_the_layer_whose_own_operation_spoils_a_gradient_is_named(body: Any, where: str) -> None:
    found = find_nonfinite(with_body(body), tokens(), tokens().roll(-1, 1), "rows")
    assert (found or "").startswith(f"backward: {where} passes back")


def test_a_mask_of_minus_infinity_is_no_fault_and_the_logarithm_of_zero_is() -> None:
    class Mask(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.masked_fill(x < x.median(), -torch.inf)

    masked = Plain(nn.Sequential(nn.Embedding(27, 8), Mask(), nn.Softmax(-1), nn.Linear(8, 27)))
    assert find_nonfinite(masked, tokens(), tokens().roll(-1, 1), "rows") is None
    log = Plain(nn.Sequential(nn.Embedding(27, 8), nn.ReLU(), Log(), nn.Linear(8, 27)))
    assert "layers.2 (Log)" in (find_nonfinite(log, tokens(), tokens().roll(-1, 1), "rows") or "")
