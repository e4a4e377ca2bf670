"""BatchNorm against naive formulae, torch's own, and the lecture's bug."""

import pytest
import torch
from torch import Tensor, nn

from zoo.layers import BatchNorm

SHAPES = [(7, 3), (4, 5, 3), (2, 3, 4, 3)]


def scrambled(layer: BatchNorm) -> BatchNorm:
    """The layer in float64, with random weights and running statistics."""
    layer.double()
    with torch.no_grad():
        for tensor in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            tensor.add_(torch.rand_like(tensor))
    return layer


def moments(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance, by a plain loop."""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def naive(x: Tensor, layer: BatchNorm) -> Tensor:
    """BatchNorm in training mode, channel by channel."""
    rows = x.reshape(-1, layer.channels)
    columns = []
    for c in range(layer.channels):
        mean, variance = moments(list(rows[:, c]))
        columns.append((rows[:, c] - mean) / (variance + layer.eps) ** 0.5 * layer.weight[c] + layer.bias[c])
    return torch.stack(columns, dim=-1).reshape(x.shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_mode_normalises_a_channel_over_all_other_axes(shape, assert_agree):
    layer = scrambled(BatchNorm(3))
    x = (2 * torch.randn(shape, dtype=torch.float64) + 1).requires_grad_()
    assert_agree(layer(x), naive(x, layer), [x, layer.weight, layer.bias])


@pytest.mark.parametrize("shape", SHAPES)
def test_running_statistics_move_a_tenth_towards_the_unbiased_moments_of_each_batch(shape):
    layer = BatchNorm(3).double()
    mean, variance = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for _ in range(3):
        x = 2 * torch.randn(shape, dtype=torch.float64) + 1
        layer(x)
        rows = x.reshape(-1, 3)
        for c in range(3):
            batch_mean, batch_variance = moments(list(rows[:, c]))
            mean[c] = 0.9 * mean[c] + 0.1 * batch_mean
            variance[c] = 0.9 * variance[c] + 0.1 * batch_variance * len(rows) / (len(rows) - 1)
    torch.testing.assert_close(layer.running_mean, mean)
    torch.testing.assert_close(layer.running_var, variance)


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_mode_uses_the_running_statistics_and_leaves_them_alone(shape, assert_agree):
    layer = scrambled(BatchNorm(3)).eval()
    mean, variance = layer.running_mean.clone(), layer.running_var.clone()
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    expected = (x - mean) / (variance + layer.eps) ** 0.5 * layer.weight + layer.bias
    assert_agree(layer(x), expected, [x, layer.weight, layer.bias])
    torch.testing.assert_close(layer.running_mean, mean, rtol=0, atol=0)
    torch.testing.assert_close(layer.running_var, variance, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_batch_norm_1d_of_torch_on_transposed_input(training, assert_agree):
    ours, torchs = scrambled(BatchNorm(3)), nn.BatchNorm1d(3).double()
    torchs.load_state_dict(ours.state_dict(), strict=False)  # torch also counts batches
    ours.train(training)
    torchs.train(training)
    x = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    assert_agree(ours(x), torchs(x.transpose(1, 2)).transpose(1, 2), [x])
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)


@pytest.mark.parametrize("L", [1, 4])
def test_per_position_is_the_bug_of_the_lecture(L, assert_agree):
    layer = scrambled(BatchNorm(3, per_position=L))
    old_mean, old_variance = layer.running_mean.clone(), layer.running_var.clone()
    x = torch.randn(6, L, 3, dtype=torch.float64, requires_grad=True)
    mean, variance = x.mean(0), x.var(0, unbiased=False)  # (L, C): over axis 0 alone
    expected = (x - mean) / (variance + layer.eps).sqrt() * layer.weight + layer.bias
    assert_agree(layer(x), expected, [x, layer.weight, layer.bias])
    assert layer.running_mean.shape == (L, 3)
    torch.testing.assert_close(layer.running_mean, 0.9 * old_mean + 0.1 * mean)
    torch.testing.assert_close(layer.running_var, 0.9 * old_variance + 0.1 * x.var(0))


def test_per_position_evaluation_uses_the_statistics_of_the_position():
    layer = scrambled(BatchNorm(3, per_position=4)).eval()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    expected = (x - layer.running_mean) / (layer.running_var + layer.eps).sqrt() * layer.weight + layer.bias
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("layer", "shape"), [(BatchNorm(3), (3, 4)), (BatchNorm(3, per_position=4), (2, 5, 3))])
def test_an_input_with_another_ending_raises_with_both_shapes(layer, shape):
    with pytest.raises(ValueError, match=r"ends in \(.*3.*\), got shape") as error:
        layer(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_a_training_batch_of_one_value_a_channel_raises():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        BatchNorm(3)(torch.zeros(1, 1, 3))


@pytest.mark.parametrize("layer", [BatchNorm(3), BatchNorm(3, per_position=4)], ids=repr)
def test_repr_reproduces_the_call(layer):
    assert repr(eval(repr(layer))) == repr(layer)
