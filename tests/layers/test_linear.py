"""Linear layers start as in the lecture."""

import pytest
import torch

from zoo.layers import linear, output_head


@pytest.mark.parametrize("inputs", [16, 400])
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_weights_start_normal_with_variance_one_over_fan_in(inputs, gain):
    weight = linear(inputs, 300, gain=gain).weight
    std = gain / inputs**0.5
    assert weight.mean().item() == pytest.approx(0, abs=5 * std / weight.numel() ** 0.5)
    assert weight.std().item() == pytest.approx(std, rel=5 / (2 * weight.numel()) ** 0.5)
    assert (weight.abs() < std).float().mean().item() == pytest.approx(0.6827, abs=0.05)


def test_the_bias_starts_at_zero_or_is_absent():
    assert not linear(4, 5).bias.any()
    assert linear(4, 5, bias=False).bias is None


def test_outputs_keep_the_scale_of_their_inputs():
    assert linear(400, 300)(torch.randn(50, 400)).std().item() == pytest.approx(1, abs=0.05)


def test_the_head_is_scaled_by_a_tenth():
    head = output_head(400, 300)
    assert head.weight.std().item() == pytest.approx(0.1 / 400**0.5, rel=0.02)
    assert not head.bias.any()
