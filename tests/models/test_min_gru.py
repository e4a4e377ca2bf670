"""minGRU against its recurrence, step by step, and against another library."""

from importlib.util import find_spec

import pytest
import torch
from plain_mixing import convolved, plain_model
from torch import Tensor

from zoo.models.min_gru import MinimalGRU
from zoo.packing import Packing


def mix(mixer: MinimalGRU, x: list[Tensor]) -> list[Tensor]:
    hidden, out = x[0].new_zeros(mixer.outer.in_features), []
    for vector in convolved(mixer.conv, x):
        gate, candidate = mixer.inner(vector).chunk(2)
        z = 1 / (1 + (-gate).exp())
        if mixer.candidate == "positive":
            candidate = torch.where(candidate >= 0, candidate + 0.5, 1 / (1 + (-candidate).exp()))
        hidden = (1 - z) * hidden + z * candidate
        out.append(mixer.outer(hidden))
    return out


@pytest.mark.parametrize(
    "options", ["", "conv=4,", "expand=2,", "candidate=positive,", "candidate=positive,expand=3,layers=1,"]
)
def test_it_is_the_recurrence_of_its_paper(options, make_model, draw, assert_model_is):
    model = make_model(f"min-gru({options}channels=8)")
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(2, 35))


@pytest.mark.parametrize("conv", [0, 3])
@pytest.mark.parametrize("sizes", [[1] * 21, [16, 1, 4], [3, 18]])
def test_a_stream_in_pieces_is_the_row(sizes, conv, make_model, draw):
    model, tokens = make_model(f"min-gru(channels=8,conv={conv})"), draw(2, 21)
    state, done, shapes = model.begin(2), 0, {"hidden": (2, 8), **({"inputs": (2, 2, 8)} if conv else {})}
    for size in sizes:
        logits, state = model.prefill(tokens[:, done : done + size], state)
        done += size
        torch.testing.assert_close(logits, model(tokens[:, :done])[:, -1])
        assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
            f"{layer}.{name}": shape for layer in (0, 1) for name, shape in shapes.items()
        }


def test_packed_rows_are_rows(make_model, draw):
    model, tokens, packing = make_model("min-gru(channels=8)"), draw(3, 19), Packing.of(torch.tensor([4, 19, 1]))
    torch.testing.assert_close(model.packed(packing.pack(tokens), packing), packing.pack(model(tokens)))


def test_positive_candidates_keep_the_hidden_vector_positive(make_model, draw):
    model = make_model("min-gru(candidate=positive)")
    _, state = model.prefill(draw(8, 40), model.begin(8))
    assert all((tensor > 0).all() for tensor in state.values())


@pytest.mark.parametrize("candidate", ["linear", "positive"])
def test_bfloat16_is_near_float32(candidate, fresh_model, draw):
    model, tokens = fresh_model(f"min-gru(candidate={candidate})").eval(), draw(2, 40)
    with torch.no_grad():
        exact = model(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(model(tokens).float(), exact, rtol=0, atol=0.05)
        torch.testing.assert_close(model.bfloat16()(tokens).float(), exact, rtol=0, atol=0.05)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("minGRU_pytorch") is None, reason="NEEDS minGRU_pytorch: pip install 'sequence-zoo[dev]'")
@pytest.mark.parametrize("expand", [1, 2])
def test_it_is_the_layer_of_mingru_pytorch(expand):
    from minGRU_pytorch.minGRU import minGRU

    torch.manual_seed(0)
    mixer, theirs = MinimalGRU(8, hidden=8 * expand, candidate="positive"), minGRU(8, expand, proj_out=True)
    with torch.no_grad():
        gate, candidate = mixer.inner.weight.chunk(2)
        theirs.to_hidden_and_gate.weight.copy_(torch.cat([candidate, gate]))
        theirs.to_out.weight.copy_(mixer.outer.weight)
        x = torch.randn(2, 43, 8)
        torch.testing.assert_close(mixer(x), theirs(x), rtol=0, atol=1e-4)
