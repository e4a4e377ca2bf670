"""mLSTM against the equations of its paper, step by step, and against other libraries."""

from importlib.util import find_spec

import pytest
import torch
from plain_mixing import plain_model
from torch import Tensor

from zoo.errors import UsageError
from zoo.models.mlstm import MatrixMemory
from zoo.packing import Packing


def read(q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor) -> Tensor:
    """C_t q_t / max(|n_tᵀ q_t|, 1), without a stabiliser: q, k (T, H, K), v (T, H, V), i, f (T, H) -> (T, H, V)."""
    C, n, out = v.new_zeros(*v.shape[1:], k.shape[2]), torch.zeros_like(k[0]), []
    for t in range(len(q)):
        C = f[t, :, None, None] * C + i[t, :, None, None] * v[t].unsqueeze(2) * k[t].unsqueeze(1)
        n = f[t, :, None] * n + i[t, :, None] * k[t]
        out.append((C * q[t].unsqueeze(1)).sum(2) / (n * q[t]).sum(1, keepdim=True).abs().clamp(min=1))
    return torch.stack(out)


def convolve(conv, x: list[Tensor]) -> list[Tensor]:
    """SiLU of the convolution at every position."""
    if conv is None:
        return x
    kernel = conv.weight.shape[2]
    sums = [
        conv.bias + sum(conv.weight[:, 0, i] * x[t - kernel + 1 + i] for i in range(kernel) if t - kernel + 1 + i >= 0)
        for t in range(len(x))
    ]
    return [y / (1 + (-y).exp()) for y in sums]


def mix(mixer: MatrixMemory, x: list[Tensor]) -> list[Tensor]:
    q, k = torch.stack([mixer.address(y) for y in convolve(mixer.conv, x)]).chunk(2, dim=1)
    v, o = torch.stack([mixer.content(y) for y in x]).chunk(2, dim=1)
    log_i, raw_f = torch.stack([mixer.gates(y) for y in x]).chunk(2, dim=1)
    q, k, v = (part.unflatten(1, (mixer.heads, -1)) for part in (q, k, v))
    found = read(q, k / mixer.size**0.5, v, log_i.exp(), 1 / (1 + (-raw_f).exp()))
    centred = found - found.mean(2, keepdim=True)
    normed = centred / (centred.square().mean(2, keepdim=True) + mixer.norm.eps).sqrt() * mixer.norm.weight
    return list(mixer.outer(normed.flatten(1) / (1 + (-o).exp())))


@pytest.mark.parametrize("options", ["", "heads=1,", "conv=0,", "conv=2,heads=2,layers=1,"])
def test_it_is_the_recurrence_of_its_paper(options, make_model, draw, assert_model_is):
    model = make_model(f"mlstm({options}channels=8)")
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(2, 35))


@pytest.mark.parametrize("sizes", [[1] * 21, [16, 1, 4], [3, 18]])
def test_a_stream_in_pieces_is_the_row(sizes, make_model, draw):
    model, tokens = make_model("mlstm(channels=8)"), draw(2, 21)
    state, done = model.begin(2), 0
    for size in sizes:
        shapes = {name: tensor.shape for name, tensor in state.items()}
        logits, state = model.prefill(tokens[:, done : done + size], state)
        done += size
        torch.testing.assert_close(logits, model(tokens[:, :done])[:, -1])
        assert {name: tensor.shape for name, tensor in state.items()} == shapes


def test_packed_rows_are_rows(make_model, draw):
    model, tokens, packing = make_model("mlstm(channels=8)"), draw(3, 19), Packing.of(torch.tensor([4, 19, 1]))
    torch.testing.assert_close(model.packed(packing.pack(tokens), packing), packing.pack(model(tokens)))


@pytest.fixture
def make_mixer():
    """Build a mixer whose gates have these biases, and random inputs (B, T, C), in float64."""

    def make(input_bias: float, forget_bias: float, *, spread: float = 1.0, T: int = 40):
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        mixer = MatrixMemory(8, heads=2, conv=0).double()
        with torch.no_grad():
            mixer.gates.weight.normal_(std=spread / 8**0.5)
            mixer.gates.bias[:2], mixer.gates.bias[2:] = input_bias, forget_bias
        return mixer, torch.randn(2, T, 8, generator=generator, dtype=torch.float64)

    return make


@pytest.mark.parametrize("forget", [-8.0, 0.0, 4.0, 12.0])
@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_rows_of_thousands_of_positions_are_exact_in_float32(forget, spread, make_mixer):
    mixer, x = make_mixer(0.0, forget, spread=spread, T=2000)
    with torch.no_grad():
        expected = mixer(x)
        torch.testing.assert_close(mixer.float()(x.float()).double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("forget", [-50.0, 0.0, 50.0])
@pytest.mark.parametrize("write", [-200.0, 0.0, 200.0])
def test_extreme_gates_give_finite_outputs_and_gradients(write, forget, make_mixer):
    mixer, x = make_mixer(write, forget, spread=10.0)
    mixer, x = mixer.float(), x.float().requires_grad_()
    y, state = mixer.run(x, mixer.begin(2))
    gradients = torch.autograd.grad(y.square().sum(), [x, *mixer.parameters()])
    assert all(tensor.isfinite().all() for tensor in (y, *gradients, *state.values()))


def test_gates_start_without_the_input_open_to_the_past(fresh_model):
    mixer = fresh_model("mlstm(heads=4)").blocks[0].mixer
    assert not mixer.gates.weight.any()
    assert mixer.gates.bias[:4].abs().max() < 0.5
    assert mixer.gates.bias[4:].tolist() == [3, 4, 5, 6]


def test_bfloat16_is_near_float32(fresh_model, draw):
    model, tokens = fresh_model("mlstm").eval(), draw(2, 40)
    with torch.no_grad():
        exact = model(tokens)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(model(tokens).float(), exact, rtol=0, atol=0.05)
        torch.testing.assert_close(model.bfloat16()(tokens).float(), exact, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (5, r"channels \(=32\) must be divisible by heads \(=5\)"),
        (32, r"a head needs 2 channels: channels \(=32\), heads \(=32\)"),
    ],
)
def test_heads_that_do_not_fit_the_channels_are_refused(heads, message, make_model):
    with pytest.raises(UsageError, match=message):
        make_model(f"mlstm(heads={heads})")


@pytest.fixture
def cell(make_mixer):
    """Queries, keys and values (B, H, T, K) and gates (B, H, T) of a mixer, and what it reads, before its norm."""
    mixer, x = make_mixer(-2.0, 3.0)
    mixer, x, read = mixer.float(), x.float(), []
    mixer.norm.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    with torch.no_grad():
        mixer(x)
        q, k = mixer.address(x).unflatten(-1, (2, 2, 4)).permute(2, 0, 3, 1, 4)
        v, _ = mixer.content(x).unflatten(-1, (2, 2, 4)).permute(2, 0, 3, 1, 4)
        i, f = mixer.gates(x).mT.chunk(2, dim=1)
    return (q, k, v, i, f), read[0].transpose(1, 2)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("transformers") is None, reason="NEEDS transformers: pip install 'sequence-zoo[dev]'")
@pytest.mark.skipif(find_spec("xlstm") is not None, reason="NEEDS transformers without xlstm, whose cell it then takes")
def test_it_reads_as_the_cell_of_transformers_does(cell):
    from transformers.models.xlstm.modeling_xlstm import (
        mlstm_chunkwise_native_autograd,
        mlstm_recurrent_sequence_native,
    )

    (q, k, v, i, f), read = cell
    torch.testing.assert_close(mlstm_recurrent_sequence_native(q, k, v, i, f), read, rtol=0, atol=1e-4)
    in_chunks = mlstm_chunkwise_native_autograd(q, k, v, i, f, chunk_size=8)
    torch.testing.assert_close(in_chunks, read, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("transformers") is None, reason="NEEDS transformers: pip install 'sequence-zoo[dev]'")
@pytest.mark.skipif(
    find_spec("xlstm") is not None, reason="NEEDS transformers without xlstm, whose layer it then takes"
)
def test_it_is_the_layer_of_transformers():
    from transformers import xLSTMConfig
    from transformers.models.xlstm.modeling_xlstm import xLSTMLayer

    C, H = 32, 4
    config = xLSTMConfig(hidden_size=C, num_heads=H, num_blocks=1, qk_dim_factor=1.0, gate_soft_cap=1e6, norm_eps=1e-5)
    layer = xLSTMLayer(config)
    torch.manual_seed(0)
    mixer = MatrixMemory(C, heads=H, conv=0)
    with torch.no_grad():
        for name in ("address", "content", "gates"):
            getattr(mixer, name).weight.normal_(std=C**-0.5)
        for linear, parts in (
            (mixer.address, [layer.q, layer.k]),
            (mixer.content, [layer.v, layer.ogate_preact]),
            (mixer.gates, [layer.igate_preact, layer.fgate_preact]),
            (mixer.outer, [layer.out_proj]),
        ):
            for one, part in zip(linear.weight.chunk(len(parts)), parts, strict=True):
                part.weight.copy_(one)
        for bias, part in zip(mixer.gates.bias.chunk(2), (layer.igate_preact, layer.fgate_preact), strict=True):
            part.bias.copy_(bias)
        layer.multihead_norm.weight.fill_(1)
        x = torch.randn(2, 43, C)
        torch.testing.assert_close(layer(x)[0], mixer(x), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("xlstm") is None, reason="NEEDS xlstm: pip install xlstm")
def test_it_reads_as_the_cell_of_xlstm_does(cell):
    from xlstm.blocks.mlstm.backends import parallel_stabilized_simple, recurrent_step_stabilized_simple

    (q, k, v, i, f), read = cell
    i, f = i.unsqueeze(-1), f.unsqueeze(-1)
    torch.testing.assert_close(parallel_stabilized_simple(q, k, v, i, f), read, rtol=0, atol=1e-4)
    state = q.new_zeros(2, 2, 4, 4), q.new_zeros(2, 2, 4, 1), q.new_zeros(2, 2, 1, 1)
    for t in range(q.shape[2]):
        here = (part[:, :, t : t + 1].clone() for part in (q, k, v, i, f))
        found, state = recurrent_step_stabilized_simple(*state, *here)
        torch.testing.assert_close(found.squeeze(2), read[:, :, t], rtol=0, atol=1e-4)
