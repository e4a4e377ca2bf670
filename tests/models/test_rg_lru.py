"""RG-LRU against a loop over time with the paper's equations."""

import pytest
import torch
from naive_attention import naive_attention
from pieces import PLAIN
from plain_mixing import plain_model
from torch import Tensor, nn

from zoo.errors import UsageError
from zoo.layers import LocalAttention
from zoo.models.rg_lru import GatedRecurrence
from zoo.packing import Packing

VARIANTS = ["", "conv=1", "conv=6", "expand=3", "heads=1", "attention_every=1,window=5", "attention_every=2,heads=2"]


def gate(block, x: Tensor, which: int) -> Tensor:
    """(D,) -> (D,): r for 0 and i for 1, head by head."""
    blocks, bias = block.gates[which], block.gate_bias.chunk(2)[which]
    sums = torch.cat([part @ matrix for part, matrix in zip(x.chunk(len(blocks)), blocks, strict=True)])
    return PLAIN["sigmoid"](sums + bias)


def recur(block, x: list[Tensor]) -> list[Tensor]:
    """The vectors h_t of equations 1 to 4."""
    hidden: list[Tensor] = []
    for vector in x:
        fading, entering = gate(block, vector, 0), gate(block, vector, 1)
        decay = (-8 * fading * (1 + block.rate.exp()).log()).exp()
        taken = entering * vector
        hidden.append(decay * hidden[-1] + (1 - decay**2).sqrt() * taken if hidden else taken)
    return hidden


def recurrent_block(mixer, x: Tensor) -> Tensor:
    """(T, C) -> (T, C)."""
    pairs = [mixer.inner(vector).chunk(2) for vector in x]
    weight, filtered = mixer.conv.weight[:, 0].T, []
    for t in range(len(pairs)):
        y = mixer.conv.bias
        for back in range(min(len(weight), t + 1)):
            y = y + weight[len(weight) - 1 - back] * pairs[t - back][1]
        filtered.append(y)
    hidden = recur(mixer.recurrence, filtered)
    return torch.stack([mixer.outer(h * PLAIN["gelu"](gate)) for h, (gate, _) in zip(hidden, pairs, strict=True)])


def mix(mixer, x: list[Tensor]) -> Tensor:
    """The outputs of a mixer of either kind, (T, C)."""
    return (naive_attention if isinstance(mixer, LocalAttention) else recurrent_block)(mixer, torch.stack(x))


@pytest.mark.parametrize("options", VARIANTS)
def test_it_is_the_recurrence_of_griffin(options, make_model, draw, assert_model_is):
    model = make_model(f"rg-lru(channels=8,{options})")
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(1, 37))


@pytest.mark.parametrize("options", ["", "attention_every=2"])
def test_a_stream_has_a_state_of_one_size_and_the_logits_of_the_row(options, make_model, draw):
    model, tokens = make_model(f"rg-lru({options})"), draw(2, 70)
    state, dense = model.begin(2), model(tokens)
    sizes = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    start = 0
    for length in (1, 33, 1, 17, 1, 17):
        logits, state = model.prefill(tokens[:, start : start + length], state)
        start += length
        torch.testing.assert_close(logits, dense[:, start - 1])
        assert {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()} == sizes


def test_every_packed_row_begins_anew(make_model, draw):
    model, tokens, packing = make_model("rg-lru(attention_every=2)"), draw(3, 40), Packing.of(torch.tensor([4, 40, 1]))
    torch.testing.assert_close(model.packed(packing.pack(tokens), packing), packing.pack(model(tokens)))


def test_initial_decays_are_uniform_between_nine_tenths_and_one(fresh_model):
    model = fresh_model("rg-lru(channels=1024,layers=1)")
    decays = (-8 * nn.functional.softplus(model.blocks[0].mixer.recurrence.rate)).exp()
    assert 0.9 <= decays.min() < 0.902 < 0.997 < decays.max() <= 0.999 + 1e-6
    assert decays.mean().item() == pytest.approx(0.9495, abs=0.004)


@pytest.mark.parametrize("bias", [-200.0, -30.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_where_a_gate_is_shut_or_open(bias, dtype):
    layer = GatedRecurrence(8, heads=2).to(dtype)
    nn.init.constant_(layer.gate_bias[:8], bias)
    x = torch.randn(2, 37, 8, dtype=dtype, requires_grad=True)
    hidden = layer.run(x, torch.ones(2, 8), torch.ones(2, 1))
    gradients = torch.autograd.grad(hidden.sum(), [x, *layer.parameters()])
    assert hidden.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("options", ["", "attention_every=2"])
def test_in_bfloat16_logits_are_near_those_of_float32(options, fresh_model, draw):
    model, tokens = fresh_model(f"rg-lru({options})").eval(), draw(2, 37)
    expected = model(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(model(tokens).float(), expected, rtol=0, atol=0.02)
    torch.testing.assert_close(model.bfloat16()(tokens).float(), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rg-lru(attention_every=1,window=5,layers=3)", 13),
        ("rg-lru(attention_every=2,window=5)", None),
        ("hybrid(pattern=local-attention,window=5,layers=3)", 13),
        ("hybrid(pattern=local-attention/rg-lru,window=5)", None),
    ],
)
def test_a_model_of_local_attention_alone_sees_as_far_as_its_windows_reach(text, expected, make_model, draw):
    model, tokens = make_model(text), draw(1, 20)
    assert model.receptive_field == expected
    other = torch.cat([(tokens[:, :1] + 1) % 11, tokens[:, 1:]], dim=1)
    changed = (model(tokens) - model(other)).abs().amax(dim=2).squeeze(0) > 0
    assert changed.sum() == (expected or 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("channels=10", r"channels \(=10\) must be divisible by heads \(=4\)"),
        ("channels=12,attention_every=1", "even number of channels a head, not .* 3"),
        ("attention_every=3", r"attention_every \(=3\) is more than layers \(=2\)"),
        ("window=8", "window changes nothing without attention_every=2"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_the_reason(options, message, fresh_model):
    with pytest.raises(UsageError, match=message):
        fresh_model(f"rg-lru({options})")
