"""RG-LRU against RecurrentGemma of transformers, with the same weights."""

from importlib.util import find_spec

import pytest
import torch

from zoo.models.rg_lru import GatedRecurrence, RecurrentBlock

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("transformers") is None, reason="NEEDS transformers: pip install transformers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the library
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
C, D, HEADS, CONV = 24, 32, 4, 4


@pytest.fixture
def peer():
    """A recurrent block of RecurrentGemma with random weights."""
    from transformers import RecurrentGemmaConfig
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

    torch.manual_seed(0)
    config = RecurrentGemmaConfig(
        hidden_size=C,
        lru_width=D,
        num_attention_heads=HEADS,
        conv1d_width=CONV,
        hidden_activation="gelu",
        vocab_size=27,
    )
    block = RecurrentGemmaRecurrentBlock(config, 0)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block


@torch.no_grad()
def take_gates(own: GatedRecurrence, peer) -> None:
    own.rate.copy_(peer.recurrent_param)
    own.gates.copy_(torch.stack([peer.recurrent_gate_weight, peer.input_gate_weight]))
    own.gate_bias.copy_(torch.cat([peer.recurrent_gate_bias.flatten(), peer.input_gate_bias.flatten()]))


@torch.no_grad()
def take_block(own: RecurrentBlock, peer) -> None:
    take_gates(own.recurrence, peer.rg_lru)
    own.inner.weight.copy_(torch.cat([peer.linear_y.weight, peer.linear_x.weight]))
    own.inner.bias.copy_(torch.cat([peer.linear_y.bias, peer.linear_x.bias]))
    own.conv.weight.copy_(peer.conv_1d.weight)
    own.conv.bias.copy_(peer.conv_1d.bias)
    own.outer.load_state_dict(peer.linear_out.state_dict())


@pytest.mark.parametrize("T", [1, 37])
def test_the_recurrence_is_that_of_recurrent_gemma(T, peer):
    own = GatedRecurrence(D, heads=HEADS)
    take_gates(own, peer.rg_lru)
    x, position = torch.randn(3, T, D), torch.arange(T).expand(3, T)
    hidden = own.run(x, torch.zeros(3, D), torch.zeros(3, 1))
    torch.testing.assert_close(hidden, peer.rg_lru(x, position), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("T", [1, 37])
def test_the_block_and_its_gradients_are_those_of_recurrent_gemma(T, peer):
    own = RecurrentBlock(C, width=D, heads=HEADS, conv=CONV)
    take_block(own, peer)
    x, position = torch.randn(3, T, C, requires_grad=True), torch.arange(T).expand(3, T)
    ours, theirs = own(x), peer(x, position, None, use_cache=False)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    direction = torch.randn_like(ours)
    ours, theirs = (torch.autograd.grad(y, x, direction)[0] for y in (ours, theirs))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_single_positions_after_a_row_are_those_of_recurrent_gemma(peer):
    own = RecurrentBlock(C, width=D, heads=HEADS, conv=CONV)
    take_block(own, peer)
    x = torch.randn(3, 37, C)
    peer(x[:, :20], torch.arange(20).expand(3, 20), None)
    _, state = own.run(x[:, :20], own.begin(3))
    for t in range(20, 37):
        ours, state = own.run(x[:, t : t + 1], state)
        theirs = peer(x[:, t : t + 1], torch.full((3, 1), t), None)[0]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
