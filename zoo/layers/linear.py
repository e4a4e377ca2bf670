"""Linear layers initialised as in the lecture: normal weights of variance 1/fan-in, zero bias."""

from torch import nn

HEAD_GAIN = 0.1
"""Scale of a head's initial weights."""


def linear(inputs: int, outputs: int, *, bias: bool = True, gain: float = 1.0) -> nn.Linear:
    """(..., inputs) -> (..., outputs), weights ~ N(0, gain²/inputs), bias 0."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=gain * inputs**-0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def output_head(channels: int, vocab_size: int, *, gain: float = HEAD_GAIN) -> nn.Linear:
    """(..., C) -> (..., V) logits; small weights make a fresh model nearly uniform, with a loss near log V."""
    return linear(channels, vocab_size, gain=gain)
