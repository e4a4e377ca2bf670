"""Mamba against a loop over time that reads the same parameters."""

import math
from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F
from pieces import PLAIN
from plain_mixing import plain_model
from torch import Tensor

from zoo.training.optimizers.groups import parameter_rules

OPTIONS = ["", ",state=3", ",conv=1", ",conv=2", ",expand=1", ",expand=3", ",block=mlp,mlp=2", ",norm=rms"]


def mix(mixer, x: list[Tensor]) -> list[Tensor]:
    """Algorithm 2 of Gu and Dao 2023 in the block of section 3.4, at every position."""
    rank, N, _ = mixer.sizes
    A, width = -mixer.log_rate[0].exp(), len(mixer.skip)
    h = torch.zeros_like(A)
    past = [torch.zeros(width, dtype=A.dtype)] * (mixer.conv.weight.shape[2] - 1)
    mixed = []
    for vector in x:
        projected, z = (mixer.inner.weight @ vector).split(width)
        past.append(projected)
        taps = zip(mixer.conv.weight[:, 0].T, past[-mixer.conv.weight.shape[2] :], strict=True)
        u = PLAIN["silu"](mixer.conv.bias + sum(weight * earlier for weight, earlier in taps))
        low, B, C = (mixer.select.weight @ u).split([rank, N, N])
        dt = (1 + (mixer.step.weight @ low + mixer.step.bias).exp()).log()
        h = (dt * A).exp() * h + torch.outer(B, dt * u)
        mixed.append(mixer.outer.weight @ ((C @ h + mixer.skip * u) * PLAIN["silu"](z)))
    return mixed


@pytest.mark.parametrize("options", OPTIONS)
def test_it_is_a_loop_over_time(options, make_model, draw, assert_model_is):
    model = make_model(f"mamba(channels=8{options})")
    assert_model_is(model, lambda tokens: plain_model(model, mix, tokens), draw(2, 37))


@pytest.mark.parametrize("parts", [[1] * 9, [4, 1, 4], [2, 7]], ids=str)
@pytest.mark.parametrize("conv", [1, 4])
def test_a_row_in_pieces_gives_the_logits_of_the_whole_one(conv, parts, make_model, draw):
    model, tokens = make_model(f"mamba(conv={conv})"), draw(2, 9)
    state = model.begin(2)
    sizes, position = {name: tensor.shape for name, tensor in state.items()}, 0
    for part in tokens.split(parts, dim=1):
        logits, state = model.prefill(part, state)
        position += part.shape[1]
        torch.testing.assert_close(logits, model(tokens)[:, position - 1])
    assert {name: tensor.shape for name, tensor in state.items()} == sizes


def test_it_starts_as_the_paper_says(fresh_model):
    for block in fresh_model("mamba(channels=48,state=5)").blocks:
        mixer = block.mixer
        rates = -torch.arange(1.0, 6).unsqueeze(1).expand(5, 96)
        torch.testing.assert_close(-mixer.log_rate[0].exp(), rates)
        steps = F.softplus(mixer.step.bias)
        assert 0.999e-3 < steps.min() < 2e-3
        assert 5e-2 < steps.max() < 1.001e-1
        assert steps.log().mean().item() == pytest.approx(math.log(1e-2), abs=0.5)
        assert mixer.step.weight.shape == (96, 3)
        assert mixer.step.weight.abs().max() <= 3**-0.5
        assert (mixer.skip == 1).all()


def test_rates_and_skips_are_not_decayed(fresh_model):
    decayed = {name for name, rule in parameter_rules(fresh_model("mamba(layers=1)")).items() if rule.decay}
    mixer = {f"blocks.0.mixer.{name}.weight" for name in ("inner", "conv", "select", "step", "outer")}
    assert decayed == {"embedding.weight", "head.weight", *mixer}


def test_bfloat16_gives_nearly_the_logits_of_float32(fresh_model, draw):
    model, tokens = fresh_model("mamba").eval(), draw(2, 37)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens)
    torch.testing.assert_close(logits.float(), model(tokens), rtol=0, atol=0.02)


@pytest.fixture
def library():
    if find_spec("transformers") is None:
        pytest.skip("NEEDS transformers: pip install 'sequence-zoo[dev]'")
    return pytest.importorskip("transformers")


def copy_mixer(mixer, theirs) -> None:
    """Give the library's mixer the weights of ours."""
    same = {
        "in_proj.weight": mixer.inner.weight,
        "conv1d.weight": mixer.conv.weight,
        "conv1d.bias": mixer.conv.bias,
        "x_proj.weight": mixer.select.weight,
        "dt_proj.weight": mixer.step.weight,
        "dt_proj.bias": mixer.step.bias,
        "A_log": mixer.log_rate[0].T,
        "D": mixer.skip,
        "out_proj.weight": mixer.outer.weight,
    }
    theirs.load_state_dict(same)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("state", "conv", "expand"), [(8, 4, 2), (3, 2, 3)])
def test_it_is_mamba_of_transformers(state, conv, expand, library, make_model, draw):
    options = f"state={state},conv={conv},expand={expand}"
    model = make_model(f"mamba(channels=32,norm=rms,{options})").float()
    config = library.MambaConfig(
        vocab_size=11, hidden_size=32, num_hidden_layers=2, state_size=state, conv_kernel=conv, expand=expand,
        tie_word_embeddings=False, use_cache=False, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    theirs, tokens = library.MambaForCausalLM(config).eval(), draw(2, 37)
    with torch.no_grad():
        theirs.backbone.embeddings.weight.copy_(model.embedding.weight)
        theirs.backbone.norm_f.weight.copy_(model.norm.weight)
        theirs.lm_head.weight.copy_(model.head.weight)
        for block, other in zip(model.blocks, theirs.backbone.layers, strict=True):
            other.norm.weight.copy_(block.norm1.weight)
            copy_mixer(block.mixer, other.mixer)
        assert theirs.backbone.norm_f.variance_epsilon == model.norm.eps
        torch.testing.assert_close(model(tokens), theirs(tokens).logits + model.head.bias, rtol=1e-4, atol=1e-4)
