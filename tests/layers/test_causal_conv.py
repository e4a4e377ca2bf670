"""CausalConv against torch's convolution and against loops."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from zoo.layers import CausalConv

SIZES = pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 1), (3, 2), (2, 20)])


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)


def conv(kernel: int, dilation: int) -> CausalConv:
    layer = CausalConv(3, 4, kernel=kernel, dilation=dilation).double()
    nn.init.normal_(layer.linear.bias)
    return layer


@SIZES
def test_it_is_conv1d_of_torch_with_zeros_on_the_left(kernel, dilation, x, assert_agree):
    layer = conv(kernel, dilation)
    weight = rearrange(layer.linear.weight, "o (k c) -> o c k", k=kernel)
    padded = F.pad(x.transpose(1, 2), ((kernel - 1) * dilation, 0))
    expected = F.conv1d(padded, weight, layer.linear.bias, dilation=dilation).transpose(1, 2)
    assert_agree(layer(x), expected, [x, layer.linear.weight, layer.linear.bias])


@SIZES
def test_every_output_is_the_sum_over_its_taps(kernel, dilation, x, assert_agree):
    layer = conv(kernel, dilation)
    taps = layer.linear.weight.chunk(kernel, dim=1)  # the oldest first
    rows = []
    for row in x:
        outputs = []
        for t in range(len(row)):
            total = layer.linear.bias
            for k, tap in enumerate(taps):
                source = t - (kernel - 1 - k) * dilation
                if source >= 0:
                    total = total + tap @ row[source]
            outputs.append(total)
        rows.append(torch.stack(outputs))
    inputs = [x, layer.linear.weight, layer.linear.bias]
    assert_agree(layer(x), torch.stack(rows), inputs)


@pytest.mark.parametrize("parts", [[1] * 9, [4, 1, 4], [9]], ids=str)
def test_a_row_that_comes_in_parts_is_convolved_as_the_whole_one_is(parts: list[int]) -> None:
    conv = CausalConv(3, 4, kernel=3, dilation=2).double()
    row, ring = torch.randn(2, 9, 3, dtype=torch.float64), torch.zeros(2, 4, 3, dtype=torch.float64)
    convolved, position = [], 0
    for part in row.split(parts, dim=1):
        convolved.append(conv.stream(part, ring, position))
        position += part.shape[1]
    torch.testing.assert_close(torch.cat(convolved, dim=1), conv(row))
