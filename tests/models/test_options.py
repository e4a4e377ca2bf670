"""Every built-in model describes and bounds its options, and refuses others."""

from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from zoo.catalog import MODELS
from zoo.errors import UsageError
from zoo.models.build import build, model_config

BUILT_IN = {entry.name: MODELS.get(entry.name) for entry in MODELS.entries() if entry.origin == "built in"}
FIELDS = [
    (name, option, field) for name, model in BUILT_IN.items() for option, field in model.Config.model_fields.items()
]
NUMBERS = [(name, option) for name, option, field in FIELDS if field.annotation is not bool]


@pytest.mark.parametrize(("name", "option", "field"), FIELDS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_option_has_a_description_and_a_default(name, option, field):
    assert field.description
    assert not field.is_required()


@pytest.mark.parametrize(("name", "option"), NUMBERS)
@pytest.mark.parametrize("value", [-1, "many", float("nan")])
def test_a_value_out_of_range_is_refused(name, option, value):
    with pytest.raises(ValidationError, match=option):
        BUILT_IN[name].Config(**{option: value})


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_unknown_option_is_refused(name):
    with pytest.raises(ValidationError, match="colour"):
        BUILT_IN[name].Config(colour=1)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_config_is_frozen(name):
    config = BUILT_IN[name].Config()
    for option in type(config).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config, option, 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mlp", {"hidden": 0}, "hidden"),
        ("wavenet", {"n": 1}, "n\n"),
        ("dilated-wavenet", {"kernel": 1}, "kernel"),
        ("dilated-wavenet", {"stacks": 0}, "stacks"),
        ("lstm", {"dropout": 1.0}, "dropout"),
        ("transformer", {"heads": 5}, r"channels \(=32\) must be divisible by heads \(=5\)"),
        ("transformer", {"channels": 12}, "even number of channels a head, not channels/heads = 3"),
    ],
)
def test_options_that_no_model_can_have_are_refused(name, options, message):
    with pytest.raises(ValidationError, match=message):
        BUILT_IN[name].Config(**options)


def test_an_odd_number_of_channels_a_head_is_allowed_with_learned_positions():
    assert BUILT_IN["transformer"].Config(channels=12, positions="learned", places=8).channels == 12


def test_all_faults_are_told_at_once_and_the_options_listed():
    with pytest.raises(UsageError) as error:
        model_config(BUILT_IN["mlp"], {"hiden": 3, "embedding": 0}, "mlp")
    message = str(error.value)
    assert "\n" not in message
    for part in ("unknown option 'hiden'", "embedding=0", "Its options: embedding, hidden"):
        assert part in message


@pytest.mark.parametrize("sizes", [{"vocab_size": 0, "context": 8}, {"vocab_size": 27, "context": 0}])
@pytest.mark.parametrize("name", BUILT_IN)
def test_sizes_below_one_raise_with_both(name, sizes):
    model = BUILT_IN[name]
    with pytest.raises(ValueError, match=rf"vocab_size \(={sizes['vocab_size']}\) and context \(={sizes['context']}\)"):
        model(model.Config(), **sizes)


def test_the_config_of_another_model_raises():
    with pytest.raises(TypeError, match=r"MLP takes a MLP\.Config"):
        BUILT_IN["mlp"](BUILT_IN["wavenet"].Config(), vocab_size=27, context=8)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mamba", {"mlp": 2}, "mlp changes nothing without block=mlp"),
        ("mamba", {"gate": True}, "gate changes nothing without block=mlp"),
        ("transformer", {"places": 128}, "places changes nothing without positions=learned"),
        ("rg-lru", {"window": 8}, "window changes nothing without attention_every=2"),
    ],
)
def test_an_option_that_changes_nothing_by_default_is_refused(name, options, message):
    with pytest.raises(ValidationError, match=message):
        BUILT_IN[name].Config(**options)


def test_beside_the_opposite_it_is_allowed_for_ablations():
    assert BUILT_IN["gla"].Config(block="none", mlp=2).block == "none"
    assert BUILT_IN["transformer"].Config(positions="none", places=128).positions == "none"
    assert BUILT_IN["rg-lru"].Config(attention_every=0, window=8).window == 8


def other_values(field) -> list:
    """Other values of an option: the choices, or a number beside the default."""
    if isinstance(field.default, bool):
        return [not field.default]
    choices = [value for value in get_args(field.annotation) if isinstance(value, str)]
    beside = {int: lambda value: [value + 1, 2 * value], float: lambda value: [value + 0.3]}
    numbers = beside.get(type(field.default), lambda _: [])(field.default)
    return [value for value in choices or numbers if value != field.default]


@pytest.mark.parametrize(("name", "option", "field"), FIELDS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_option_changes_weights_or_logits_or_is_refused(name, option, field, draw):
    def made(**options) -> dict[str, Tensor] | None:
        """Weights and logits in training; None if the options are refused."""
        try:
            model = build(BUILT_IN[name], BUILT_IN[name].Config(**options), vocab_size=11, context=16, seed=0)
        except (ValidationError, UsageError):
            return None
        torch.manual_seed(0)
        return {**model.state_dict(), "logits": model.train()(draw(3, 24)).detach()}

    usual = made()
    for value in other_values(field):
        other = made(**{option: value})
        assert (
            other is None
            or other.keys() != usual.keys()
            or any(
                tensor.shape != usual[key].shape or not torch.equal(tensor, usual[key]) for key, tensor in other.items()
            )
        ), f"{option}={value} changes nothing"
