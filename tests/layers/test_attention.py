"""CausalSelfAttention against a softmax with an explicit mask."""

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import CausalSelfAttention, rotate
from zoo.packing import Packing

B, T, C, HEADS = 2, 7, 12, 3


def naive(x: Tensor, layer: CausalSelfAttention) -> Tensor:
    """(B, T, C) -> (B, T, C), head by head, with minus infinity for future scores."""
    width = C // HEADS
    future = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
    heads = []
    for h in range(HEADS):
        q, k, v = (
            x @ layer.qkv.weight[start : start + width].T + layer.qkv.bias[start : start + width]
            for start in (part * C + h * width for part in range(3))
        )
        if layer.rotary:
            q, k = (rotate(part, torch.arange(x.shape[1])) for part in (q, k))
        scores = (q @ k.transpose(1, 2) / width**0.5).masked_fill(future, float("-inf"))
        weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
        heads.append(weights @ v)
    return torch.cat(heads, dim=-1) @ layer.out.weight.T + layer.out.bias


def attention(**options: float) -> CausalSelfAttention:
    layer = CausalSelfAttention(C, heads=HEADS, **options).double()
    nn.init.normal_(layer.qkv.bias)
    nn.init.normal_(layer.out.bias)
    return layer


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("length", [1, T])
def test_it_is_softmax_attention_under_a_causal_mask(rotary, length, assert_agree):
    layer = attention(rotary=rotary)
    x = torch.randn(B, length, C, dtype=torch.float64, requires_grad=True)
    assert_agree(layer(x), naive(x, layer), [x, *layer.parameters()])


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("lengths", [[4], [16], [5, 3, 16, 1, 1, 9], [20, 2, 31, 17]], ids=str)
def test_in_chunks_every_row_is_attended_to_by_itself(rotary, lengths, assert_agree):
    layer, packing = attention(rotary=rotary), Packing.of(torch.tensor(lengths))
    x = torch.randn(sum(lengths), C, dtype=torch.float64, requires_grad=True)
    visible = torch.where(packing.visible, 0.0, -torch.inf)
    output = layer.chunked(packing.chunked(x), packing.chunked(packing.position), visible).flatten(0, 1)[: len(x)]
    expected = torch.cat([naive(row.unsqueeze(0), layer).squeeze(0) for row in x.split(lengths)])
    assert_agree(output, expected, [x, *layer.parameters()])


def test_no_gradient_reaches_an_output_from_its_future():
    x = torch.randn(B, T, C, dtype=torch.float64, requires_grad=True)
    output = attention(rotary=True)(x)
    for t in range(T):
        (gradient,) = torch.autograd.grad(output[:, t].sum(), x, retain_graph=True)
        assert not gradient[:, t + 1 :].any()
        assert gradient[:, : t + 1].abs().amax(dim=-1).all()


def test_without_positions_the_order_of_the_past_does_not_matter_and_with_them_it_does():
    x = torch.randn(B, T, C, dtype=torch.float64)
    shuffled = torch.cat([x[:, : T - 1].flip(1), x[:, T - 1 :]], dim=1)
    for rotary in (False, True):
        layer = attention(rotary=rotary)
        assert torch.allclose(layer(x)[:, -1], layer(shuffled)[:, -1]) != rotary


def test_dropout_acts_in_training_alone():
    layer = attention(rotary=False, dropout=0.5)
    x = torch.randn(B, T, C, dtype=torch.float64)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    torch.testing.assert_close(layer(x), naive(x, layer))


def test_gains_scale_the_initial_weights():
    layer = CausalSelfAttention(64, heads=4, rotary=True, gain=2.0, out_gain=0.25)
    assert layer.qkv.weight.std().item() == pytest.approx(2 / 64**0.5, rel=0.05)
    assert layer.out.weight.std().item() == pytest.approx(0.25 / 64**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("channels", "heads", "message"),
    [(10, 4, r"channels \(=10\) must be divisible by heads \(=4\)"), (12, 4, "even number of channels a head, not 3")],
)
def test_sizes_that_do_not_fit_raise_with_the_numbers(channels, heads, message):
    with pytest.raises(ValueError, match=message):
        CausalSelfAttention(channels, heads=heads, rotary=True)


@pytest.mark.parametrize("parts", [[1] * 7, [3, 1, 3], [7]], ids=str)
@pytest.mark.parametrize("rotary", [True, False])
def test_a_row_that_comes_in_parts_is_attended_to_as_the_whole_one_is(rotary: bool, parts: list[int]) -> None:
    attention = CausalSelfAttention(8, heads=2, rotary=rotary).double().eval()
    row = torch.randn(3, 7, 8, dtype=torch.float64)
    keys, values = (torch.full((3, 2, 9, 4), torch.nan, dtype=torch.float64) for _ in range(2))
    attended, position = [], 0
    for part in row.split(parts, dim=1):
        attended.append(attention.stream(part, keys, values, position))
        position += part.shape[1]
    torch.testing.assert_close(torch.cat(attended, dim=1), attention(row))
