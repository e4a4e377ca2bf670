"""LocalAttention against attention under an explicit mask, whole and in pieces."""

import pytest
import torch
from naive_attention import naive_attention
from torch import Tensor, nn

from zoo.layers import LocalAttention
from zoo.layers.mixer import State

WINDOWS = [1, 2, 5, 16, 40, None]


def attention(window: int | None, dtype: torch.dtype = torch.float64) -> LocalAttention:
    layer = LocalAttention(12, heads=3, window=window).to(dtype)
    nn.init.normal_(layer.qkv.bias)
    nn.init.normal_(layer.out.bias)
    return layer


def row(B: int, T: int) -> Tensor:
    return torch.randn(B, T, 12, dtype=torch.float64, requires_grad=True)


def read(layer: LocalAttention, x: Tensor, parts: list[int]) -> tuple[Tensor, State]:
    state, read = layer.begin(len(x)), []
    for part in x.split(parts, dim=1):
        y, state = layer.run(part, state)
        read.append(y)
    return torch.cat(read, dim=1), state


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("length", [1, 5, 32, 37])
def test_it_is_softmax_attention_to_the_last_positions(window, length, assert_agree):
    layer, x = attention(window), row(2, length)
    assert_agree(layer(x), torch.stack([naive_attention(layer, one) for one in x]), [x, *layer.parameters()])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("parts", [[1] * 37, [3, 1, 21, 12], [17, 20]], ids=str)
def test_a_row_that_comes_in_pieces_is_read_as_the_whole_one(window, parts):
    layer, x = attention(window), row(2, 37)
    torch.testing.assert_close(read(layer, x, parts)[0], layer(x))


@pytest.mark.parametrize("window", [1, 5, 40])
def test_its_state_has_one_shape_from_the_beginning(window):
    layer = attention(window)
    shapes = {name: tensor.shape for name, tensor in layer.begin(2).items()}
    for parts in ([1], [3, 1], [37], [37, 1]):
        _, state = read(layer, row(2, sum(parts)), parts)
        assert {name: tensor.shape for name, tensor in state.items()} == shapes


def test_streams_of_one_batch_may_have_begun_at_different_times():
    layer, x, other = attention(5), row(1, 9), row(1, 9)
    _, old = layer.run(x[:, :7], layer.begin(1))
    _, young = layer.run(other[:, :2], layer.begin(1))
    both = {name: torch.cat([old[name], young[name]]) for name in old}
    y, _ = layer.run(torch.cat([x[:, 7:], other[:, 2:4]]), both)
    torch.testing.assert_close(y, torch.cat([layer(x)[:, 7:], layer(other)[:, 2:4]]))


def test_what_lies_before_the_window_does_not_matter():
    layer, x = attention(5), row(1, 37)
    changed = torch.cat([torch.randn_like(x[:, :20]), x[:, 20:]], dim=1)
    assert torch.equal(layer(x)[:, 24:], layer(changed)[:, 24:])
    assert not torch.isclose(layer(x)[:, 23], layer(changed)[:, 23]).any()


def test_the_cost_grows_with_the_length_alone():
    """Memory of the scores would be T x T: a row of 100,000 positions would need 40 GB."""
    with torch.no_grad():
        assert attention(8, torch.float32)(torch.randn(1, 100_000, 12)).shape == (1, 100_000, 12)


@pytest.mark.parametrize(
    ("heads", "message"),
    [(5, r"channels \(=12\) must be divisible by heads \(=5\)"), (4, "even number of channels a head, not .* 3")],
)
def test_sizes_that_do_not_fit_raise_with_the_numbers(heads, message):
    with pytest.raises(ValueError, match=message):
        LocalAttention(12, heads=heads, window=5)
