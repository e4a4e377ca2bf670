"""The delta rule against loops over rows, positions and heads, with the same parameters."""

import pytest
import torch
from pieces import PLAIN, plain_norm
from plain_mixing import convolved, plain_model
from torch import Tensor

from zoo.models.delta_net import TINY
from zoo.training.optimizers.groups import parameter_rules

OPTIONS = ["gated=false", "negative=true", "conv=0", "conv=1", "heads=2", "gated=false,negative=true,conv=0"]
TEXTS = ["delta-net(channels=8)", *(f"delta-net(channels=8,layers=1,{options})" for options in OPTIONS)]


def mix(mixer, x: list[Tensor]) -> list[Tensor]:
    """The output of the mixer at every position."""
    C, H = len(x[0]), mixer.heads
    matrices = [torch.zeros(C // H, C // H, dtype=x[0].dtype) for _ in range(H)]
    inputs, rows = convolved(mixer.conv, [mixer.inner(vector)[: 3 * C] for vector in x]), []
    for vector, inner in zip(x, inputs, strict=True):
        if mixer.conv is not None:
            inner = PLAIN["silu"](inner)
        q, k, v = (part.chunk(H) for part in inner.chunk(3))
        gate, write = mixer.inner(vector)[3 * C :].chunk(H), mixer.write(vector).sigmoid() * (1 + mixer.negative)
        heads = []
        for h in range(H):
            query, key = (part[h] / ((part[h] ** 2).sum() + TINY) ** 0.5 for part in (q, k))
            decay = 1.0
            if mixer.gated:
                decay = (-mixer.log_rate[h].exp() * (1 + (mixer.step(vector) + mixer.step_bias)[h].exp()).log()).exp()
            turn = torch.eye(C // H, dtype=key.dtype) - write[h] * torch.outer(key, key)
            matrices[h] = decay * turn @ matrices[h] + write[h] * torch.outer(key, v[h])
            heads.append(plain_norm(matrices[h].T @ query, mixer.norm) * PLAIN["silu"](gate[h]))
        rows.append(mixer.outer(torch.cat(heads)))
    return rows


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_a_loop_over_time(text, make_model, draw, assert_model_is):
    model = make_model(text)
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(1, 35))


@pytest.mark.parametrize("text", TEXTS[:2])
def test_the_state_of_a_stream_does_not_grow_and_pieces_are_the_whole(text, make_model, draw):
    model, tokens = make_model(text), draw(2, 40)
    state, sizes = model.begin(2), set()
    for piece in tokens.split([1, 18, 1, 17, 3], dim=1):
        logits, state = model.prefill(piece, state)
        sizes.add(sum(tensor.numel() for tensor in state.values()))
    torch.testing.assert_close(logits, model(tokens)[:, -1])
    assert sizes == {2 * model.config.layers * (4 * 2 * 2 + 3 * 3 * 8)}


@pytest.mark.parametrize("text", TEXTS[:2])
def test_bfloat16_is_near_float32(text, fresh_model, draw):
    model, tokens = fresh_model(text).eval(), draw(2, 50, vocab_size=27)
    expected = model(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(tokens)
    for logits in (found, model.bfloat16()(tokens)):
        assert (logits.float() - expected).norm() <= 0.03 * expected.norm()


def test_it_starts_as_gated_delta_net_does_and_its_rates_do_not_decay(fresh_model):
    model = fresh_model("delta-net(heads=16)")
    for block in model.blocks:
        rates, steps = block.mixer.log_rate.exp(), torch.nn.functional.softplus(block.mixer.step_bias)
        assert ((rates > 0) & (rates <= 16)).all()
        assert ((steps > 0.999e-3) & (steps < 1.001e-1)).all()
        assert rates.std() > 2
    rules = parameter_rules(model)
    assert {rules[f"blocks.0.mixer.{name}"].decay for name in ("log_rate", "step_bias")} == {0.0}
    assert rules["blocks.0.mixer.inner.weight"].decay == 1.0


def test_queries_and_keys_of_length_0_have_finite_gradients(make_model, draw):
    model = make_model("delta-net(conv=0)")
    with torch.no_grad():
        for block in model.blocks:
            block.mixer.inner.weight[:64] = 0
            block.mixer.inner.bias[:64] = 0
    model(draw(2, 20)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_heads_that_do_not_divide_the_channels_are_refused(make_model):
    with pytest.raises(Exception, match=r"channels \(=32\) must be divisible by heads \(=5\)"):
        make_model("delta-net(heads=5)")
