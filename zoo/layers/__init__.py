"""Layers that the models share, one idea per file. Channels are last: (B, T, C)."""

from zoo.layers.activation import Activation, ActivationName
from zoo.layers.attention import CausalSelfAttention
from zoo.layers.batch_norm import BatchNorm
from zoo.layers.boundary import last_window, pad_start
from zoo.layers.causal_conv import CausalConv
from zoo.layers.flatten_consecutive import FlattenConsecutive, SlidingFlatten
from zoo.layers.linear import linear, output_head
from zoo.layers.norm import Norm, RowNorm, has_shift, make_norm
from zoo.layers.rotary import rotate

__all__ = [
    "Activation",
    "ActivationName",
    "BatchNorm",
    "CausalConv",
    "CausalSelfAttention",
    "FlattenConsecutive",
    "Norm",
    "RowNorm",
    "SlidingFlatten",
    "has_shift",
    "last_window",
    "linear",
    "make_norm",
    "output_head",
    "pad_start",
    "rotate",
]
