"""The signals of a trace: activations, gradients, weights, and rules of thumb."""

import math

import pytest
import torch
from torch import Tensor, nn
from traceable import Plain, tokens, with_body

from zoo.errors import StrangerError
from zoo.probes.nonfinite import find_nonfinite
from zoo.probes.signals import measure_signals
from zoo.probes.trace import record_pass, trace_model


def test_signals_equal_those_of_a_pass_by_hand() -> None:
    torch.manual_seed(1)
    model = Plain(nn.Sequential(nn.Embedding(27, 16), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 27)))
    model.layers[1].weight.data *= 12  # saturates
    model.layers[1].bias.data[0] = 1e3  # a dead unit
    given, targets = tokens(), tokens().roll(-1, 1)
    found = measure_signals(model, given, targets, trace_model(model, given, "rows"))
    trace = trace_model(model, given, "rows")
    place = [layer.name for layer in trace.layers].index("layers.2")
    hidden = model.layers[1](model.layers[0](given))
    active = torch.tanh(hidden)
    active.retain_grad()
    loss = nn.functional.cross_entropy(model.layers[3](active).flatten(0, 1), targets.flatten())
    loss.backward()
    own = found.layers[place]
    assert own is not None
    assert found.loss == pytest.approx(loss.item())
    assert own.mean == pytest.approx(active.mean().item(), abs=1e-6)
    assert own.std == pytest.approx(active.std(correction=0).item())
    assert own.saturated == pytest.approx((active.abs() > 0.97).double().mean().item())
    assert own.dead == int((active.abs() > 0.97).flatten(0, 1).all(0).sum()) >= 1
    assert own.gradient_std == pytest.approx(active.grad.std(correction=0).item())
    weights = {weight.name: weight for weight in found.weights}
    weight = model.layers[3].weight
    assert weights["layers.3.weight"].ratio == pytest.approx(
        (weight.grad.std(correction=0) / weight.std(correction=0)).item()
    )
    assert {finding.rule for finding in found.findings} >= {"saturation", "dead units"}


def test_a_first_loss_far_above_that_of_a_uniform_guess_is_told_unless_the_model_is_trained() -> None:
    torch.manual_seed(0)
    model = Plain(nn.Embedding(27, 27))
    model.layers.weight.data *= 10
    targets = tokens().roll(-1, 1)
    found = measure_signals(model, tokens(), targets, trace_model(model, tokens(), "rows"))
    assert found.loss > 1.1 * math.log(27)
    assert [finding.rule for finding in found.findings] == ["first loss"]
    assert measure_signals(model, tokens(), targets, trace_model(model, tokens(), "rows"), trained=True).findings == ()


def test_what_a_layer_changes_in_place_does_not_change_the_signals_of_the_one_before() -> None:
    model = Plain(nn.Sequential(nn.Embedding(27, 27), nn.LayerNorm(27), nn.ReLU(inplace=True)))
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace_model(model, tokens(), "rows"))
    names = [call.name for call in record_pass(model, tokens(), "rows")[0].calls]
    before = found.layers[names.index("layers.1")]
    assert before is not None
    assert before.mean == pytest.approx(0, abs=1e-5)


class Balanced(Plain):
    """Puts what its auxiliary loss needs on itself, as the interface says."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.layers[0](tokens)
        self.balance = 5 + x.square().mean()
        return self.layers[1](x)

    def auxiliary_loss(self) -> Tensor:
        return self.balance


def test_an_auxiliary_loss_is_in_the_gradients_and_not_in_the_loss() -> None:
    torch.manual_seed(0)
    model = Balanced(nn.Sequential(nn.Embedding(27, 8), nn.Linear(8, 27)))
    model.layers[1].weight.data *= 0.1
    trace = trace_model(model, tokens(), "rows")
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace)
    assert found.loss < 1.1 * math.log(27)
    assert not [finding for finding in found.findings if finding.rule == "first loss"]
    assert find_nonfinite(model, tokens(), tokens().roll(-1, 1), "rows") is None
    assert "balance" not in vars(model)


def test_dead_units_are_counted_along_the_channels_wherever_they_stand() -> None:
    class Across(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(8, 16, 1)
            self.conv.weight.data[:5], self.conv.bias.data[:5] = 0, -1

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Across(), nn.Linear(16, 27)))
    trace = trace_model(model, tokens(), "rows")
    place = [layer.name for layer in trace.layers].index("layers.1.relu")
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace).layers[place]
    assert found is not None
    assert found.dead is not None
    assert (found.dead >= 5, found.channels) == (True, 16)


def test_a_method_that_is_named_like_a_function_is_not_judged_as_one() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(8, 8)

        def tanh(self, x: Tensor) -> Tensor:
            return self.lin(x) * 50

        def forward(self, x: Tensor) -> Tensor:
            return self.tanh(x)

    model = Plain(nn.Sequential(nn.Embedding(27, 8), Own(), nn.Linear(8, 27)))
    found = measure_signals(model, tokens(), tokens().roll(-1, 1), trace_model(model, tokens(), "rows"))
    assert {signal.saturated for signal in found.layers if signal} == {None}


def test_logits_without_a_gradient_are_traced_and_have_no_signals() -> None:
    model = with_body(lambda m, x: x)
    model.layers.requires_grad_(False)
    trace = trace_model(model, tokens(), "rows")
    with pytest.raises(StrangerError, match="without a gradient"):
        measure_signals(model, tokens(), tokens().roll(-1, 1), trace)
