"""Hybrids have the mixers that their pattern names, each as in its own model."""

import pytest
import torch

from zoo.calls import parse_call
from zoo.catalog import MODELS as CATALOG
from zoo.errors import UsageError
from zoo.layers import LocalAttention
from zoo.models.hybrid import MODELS
from zoo.packing import Packing

NAMES = [*MODELS, "attention", "local-attention"]


@pytest.mark.parametrize("name", MODELS)
def test_a_pattern_of_one_name_is_the_model_of_that_name(name, fresh_model, draw):
    heads = ",heads=2" if "heads" in CATALOG.get(name).Config.model_fields else ""
    hybrid, model = (
        fresh_model(f"{call}channels=32,layers=2,block=mlp{heads})") for call in (f"hybrid(pattern={name},", f"{name}(")
    )
    assert hybrid.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(hybrid(draw(2, 37)), model(draw(2, 37)))


def test_a_name_with_slashes_and_dashes_is_one_option_value():
    assert parse_call("hybrid(pattern=rg-lru/gla/attention,layers=6)").options == {
        "pattern": "rg-lru/gla/attention",
        "layers": 6,
    }


def test_blocks_have_the_mixers_of_the_pattern_again_and_again(fresh_model):
    model = fresh_model("hybrid(pattern=rg-lru/local-attention/gla/attention,layers=6,window=7)")
    mixers = [block.mixer for block in model.blocks]
    assert [type(mixer).__name__ for mixer in mixers] == [
        *("RecurrentBlock", "LocalAttention", "LinearAttention", "LocalAttention"),
        *("RecurrentBlock", "LocalAttention"),
    ]
    assert [mixer.window for mixer in mixers if isinstance(mixer, LocalAttention)] == [7, None, 7]


def test_without_a_number_of_layers_there_are_as_many_as_names(fresh_model):
    assert fresh_model("hybrid(pattern=gla/rg-lru)").config.layers == 2
    assert fresh_model("hybrid(pattern=gla/rg-lru/gla/gla/attention)").config.layers == 5


def test_heads_are_those_of_all_mixers(fresh_model):
    model = fresh_model("hybrid(pattern=gla/attention/rg-lru,heads=2)")
    gla, attention, recurrent = (block.mixer for block in model.blocks)
    assert (gla.heads, attention.heads, recurrent.recurrence.gates.shape[1]) == (2, 2, 2)


def test_attention_to_all_positions_alone_has_a_state_that_grows(make_model, draw):
    for name in NAMES:
        model = make_model(f"hybrid(pattern=rg-lru/{name},channels=8)")
        sizes = []
        for length in (33, 50):
            _, state = model.prefill(draw(1, length), model.begin(1))
            sizes.append(sum(tensor.numel() for tensor in state.values()))
        assert model.bounded_state == (sizes[0] == sizes[1]) == (name != "attention")


@pytest.mark.parametrize("pattern", ["rg-lru/rg-lru/attention", "gla/local-attention", "/".join(NAMES)])
def test_streams_and_packed_rows_have_the_logits_of_whole_rows(pattern, make_model, draw):
    model, tokens, packing = make_model(f"hybrid(pattern={pattern})"), draw(3, 40), Packing.of(torch.tensor([4, 40, 1]))
    dense = model(tokens)
    torch.testing.assert_close(model.packed(packing.pack(tokens), packing), packing.pack(dense))
    logits, state = model.prefill(tokens[:, :33], model.begin(3))
    for t in range(33, 40):
        torch.testing.assert_close(logits, dense[:, t - 1])
        logits, state = model.step(tokens[:, t], state)


def test_in_bfloat16_logits_are_near_those_of_float32(fresh_model, draw):
    model, tokens = fresh_model("hybrid(pattern=rg-lru/attention/local-attention)").eval(), draw(2, 37)
    expected = model(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(tokens).float(), expected, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("pattern=rg-lru/mumba", r"no mixer is named 'mumba' .*known are gla, delta-net, .*attention, local-attention"),
        ("pattern=rg-lru//gla", "no mixer is named ''"),
        ("pattern=gla/gla/gla,layers=2", r"names 3 mixers for layers \(=2\) blocks"),
        ("pattern=gla,window=8", "no mixer of pattern=gla has the option window"),
        ("pattern=gla/attention,channels=31", r"gla: channels \(=31\) must be divisible by heads \(=2\)"),
        ("pattern=attention,channels=6", "even number of channels a head, not .* 3"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused_with_the_reason(options, message, fresh_model):
    with pytest.raises(UsageError, match=message):
        fresh_model(f"hybrid({options})")
