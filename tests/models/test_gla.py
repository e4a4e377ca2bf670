"""Linear attention with decay against loops over rows, positions and heads, with the same parameters."""

import pytest
import torch
from pieces import PLAIN, plain_norm
from plain_mixing import convolved, plain_model
from torch import Tensor

TEXTS = [f"gla(decay={decay},channels=8)" for decay in ("none", "head", "gated")]


def mix(mixer, x: list[Tensor]) -> list[Tensor]:
    """The output of the mixer at every position."""
    C, H = len(x[0]), mixer.heads
    matrices = [torch.zeros(C // H, C // H, dtype=x[0].dtype) for _ in range(H)]
    inputs, rows = convolved(mixer.conv, [mixer.inner(vector)[: 3 * C] for vector in x]), []
    for vector, inner in zip(x, inputs, strict=True):
        if mixer.conv is not None:
            inner = PLAIN["silu"](inner)
        q, k, v, gate = (part.chunk(H) for part in (*inner.chunk(3), mixer.inner(vector)[3 * C :]))
        heads = []
        for h in range(H):
            query, key, decay = q[h], k[h], torch.ones_like(k[h])
            if mixer.decay == "none":
                query, key = (torch.where(part > 0, part + 1, part.exp()) for part in (query, key))
            elif mixer.decay == "head":
                decay = decay * (1 - 2.0 ** (-5 - h))
            else:
                decay = mixer.gates(vector).chunk(H)[h].sigmoid() ** (1 / 16)
            matrices[h] = torch.diag(decay) @ matrices[h] + torch.outer(key, v[h])
            heads.append(plain_norm(matrices[h].T @ query, mixer.norm) * PLAIN["silu"](gate[h]))
        rows.append(mixer.outer(torch.cat(heads)))
    return rows


@pytest.mark.parametrize(
    "text", [*TEXTS, "gla(conv=4,channels=8)", "gla(channels=6,heads=1,layers=1,block=none,norm=rms)"]
)
def test_it_is_a_loop_over_time(text, make_model, draw, assert_model_is):
    model = make_model(text)
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(1, 35))


@pytest.mark.parametrize("text", [*TEXTS, "gla(conv=3,channels=8)"])
def test_the_state_of_a_stream_does_not_grow_and_pieces_are_the_whole(text, make_model, draw):
    model, tokens = make_model(text), draw(2, 40)
    state, sizes = model.begin(2), set()
    for piece in tokens.split([1, 18, 1, 17, 3], dim=1):
        logits, state = model.prefill(piece, state)
        sizes.add(sum(tensor.numel() for tensor in state.values()))
    torch.testing.assert_close(logits, model(tokens)[:, -1])
    assert sizes == {2 * 2 * (4 * 2 * 2 + ("conv" in text) * 2 * 3 * 8)}


@pytest.mark.parametrize("text", TEXTS)
def test_bfloat16_is_near_float32(text, fresh_model, draw):
    model, tokens = fresh_model(text).eval(), draw(2, 50, vocab_size=27)
    expected = model(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(tokens)
    for logits in (found, model.bfloat16()(tokens)):
        assert (logits.float() - expected).norm() <= 0.03 * expected.norm()


def test_gates_start_near_1(fresh_model):
    mixer = fresh_model("gla").blocks[0].mixer
    assert (mixer._log_decay(torch.randn(2, 9, 32)).exp() > 0.7).all()


def test_heads_that_do_not_divide_the_channels_are_refused(make_model):
    with pytest.raises(Exception, match=r"channels \(=32\) must be divisible by heads \(=5\)"):
        make_model("gla(heads=5)")
