"""What a model says of its own parameters holds for every optimizer, alone and in a stack."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.config import Multiples
from zoo.errors import UsageError
from zoo.models.interface import SequenceModel
from zoo.training.optimizers.groups import describe_ignored, parameter_rules
from zoo.training.settings import Settings
from zoo.training.stacked.update import StackedUpdate
from zoo.training.update import Update

GROUPS = {"table.*": {"rate": 0.5, "decay": 0.0}, "*.bias": Multiples(decay=2.0), "hidden.weight": {"rate": 0.0}}
KINDS = ["adamw", "sgd", "muon"]


class Grouped(SequenceModel):
    groups: Any = GROUPS

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__(self.Config(), vocab_size=7, context=3)
        self.table, self.hidden, self.out = nn.Embedding(7, 5), nn.Linear(5, 5), nn.Linear(5, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(torch.tanh(self.hidden(self.table(tokens))))

    def parameter_groups(self) -> Mapping[str, Any]:
        return self.groups


@pytest.mark.parametrize("kind", KINDS)
def test_rate_and_decay_are_multiplied_for_the_parameters_that_a_pattern_names(kind: str) -> None:
    model, plain = Grouped(), Grouped()
    plain.load_state_dict(model.state_dict())
    plain.groups = {}
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for one in (model, plain):
        for parameter in one.parameters():
            parameter.grad = torch.zeros_like(parameter)
        Update(one, kind, weight_decay=0.5).step(0.1)
    shrunk = {name: parameter.detach() / before[name] for name, parameter in model.named_parameters()}
    hidden = 0.9 if kind == "muon" else 0.95
    for name, factor in {
        "table.weight": 1.0, "hidden.weight": 1.0, "hidden.bias": 0.9, "out.weight": 0.95, "out.bias": 0.9,
    }.items():  # fmt: skip
        torch.testing.assert_close(shrunk[name], torch.full_like(shrunk[name], factor), msg=name)
    torch.testing.assert_close(plain.hidden.weight.detach(), before["hidden.weight"] * hidden)
    torch.testing.assert_close(plain.out.bias.detach(), before["out.bias"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_moves_a_parameter_by_its_multiple(kind: str) -> None:
    torch.manual_seed(0)
    model, plain = Grouped(), Grouped()
    plain.load_state_dict(model.state_dict())
    model.groups, plain.groups = {"*.weight": {"rate": 0.25}}, {}
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    slopes = {name: torch.randn_like(value) for name, value in before.items()}
    for one in (model, plain):
        for name, parameter in one.named_parameters():
            parameter.grad = slopes[name].clone()
        Update(one, kind, weight_decay=0.5).step(0.1)
    for name, value in before.items():
        multiple = 0.25 if name.endswith("weight") else 1.0
        moved = plain.get_parameter(name).detach() - value
        torch.testing.assert_close(model.get_parameter(name).detach() - value, multiple * moved, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS[:2], "muon(precision=full)"])
def test_replicas_of_a_stack_follow_the_groups_too(kind: str, settings: Settings) -> None:
    torch.manual_seed(0)
    models, own = [Grouped(), Grouped()], [replace(settings, optimizer=kind, clip=0.0, weight_decay=0.5)] * 2
    apart = {"hidden.weight"} if kind.startswith("muon") else set()
    shapes = {name: p.shape for name, p in sorted(models[0].named_parameters(), key=lambda item: item[0] in apart)}
    flat = torch.stack([torch.cat([m.get_parameter(name).detach().flatten() for name in shapes]) for m in models])
    stack = StackedUpdate(flat, shapes, parameter_rules(models[0]), apart, own)
    alone = [Update(model, kind, weight_decay=0.5) for model in models]
    for _ in range(3):
        for model in models:
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
        slopes = torch.stack([torch.cat([m.get_parameter(name).grad.flatten() for name in shapes]) for m in models])
        stack.step(slopes, torch.tensor([0.05, 0.05]))
        for update in alone:
            update.step(0.05)
    expected = torch.stack([torch.cat([m.get_parameter(name).detach().flatten() for name in shapes]) for m in models])
    torch.testing.assert_close(flat, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"tabel.*": {"rate": 2.0}}, "'tabel\\.\\*', which no parameter matches"),
        ({"table.*": {"rate": 2.0}, "*.weight": {"rate": 3.0}}, "both match 'table.weight'"),
        ({"table.*": {"speed": 2.0}}, "unknown option 'speed'"),
        ({"table.*": {"rate": -1.0}}, "rate=-1.0"),
        ({"table.*": {"rate": "2"}}, "rate=2"),
        ({"table.*": 2.0}, "rate and decay"),
        ([{"params": [], "lr": 0.1}], "returns a list"),
    ],
)
def test_groups_that_cannot_be_meant_are_refused_in_one_line(groups: object, message: str) -> None:
    model = Grouped()
    model.groups = groups
    with pytest.raises(UsageError, match=message) as caught:
        parameter_rules(model)
    assert "\n" not in str(caught.value)
    assert "Grouped" in str(caught.value)


def test_groups_may_name_what_is_frozen_or_tied() -> None:
    model = Grouped()
    model.table.requires_grad_(False)
    assert "table.weight" not in parameter_rules(model)
    tied = Grouped()
    tied.out.weight = tied.table.weight
    tied.groups = {"out.weight": {"rate": 0.5}}
    assert parameter_rules(tied)["table.weight"].rate == 0.5


def test_an_optimizer_that_a_model_configures_itself_is_told_as_ignored() -> None:
    class Lightning(Grouped):
        def configure_optimizers(self) -> object:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    assert "configure_optimizers is ignored" in describe_ignored(Lightning)
    assert describe_ignored(Grouped) == ""
