"""Layers that the models share, one idea per file. Channels are last: (B, T, C)."""

from zoo.layers.activation import Activation, ActivationName
from zoo.layers.attention import CausalSelfAttention
from zoo.layers.batch_norm import BatchNorm
from zoo.layers.boundary import last_window, pad_start
from zoo.layers.causal_conv import CausalConv
from zoo.layers.delta_rule import delta_rule
from zoo.layers.flatten_consecutive import FlattenConsecutive, SlidingFlatten
from zoo.layers.linear import linear, output_head
from zoo.layers.linear_attention import linear_attention
from zoo.layers.local_attention import LocalAttention
from zoo.layers.norm import Norm, RowNorm, has_shift, make_norm
from zoo.layers.residual_block import ResidualBlock
from zoo.layers.rotary import rotate
from zoo.layers.scan import scan
from zoo.layers.selective_scan import selective_scan
from zoo.layers.short_conv import ShortConv

__all__ = [
    "Activation",
    "ActivationName",
    "BatchNorm",
    "CausalConv",
    "CausalSelfAttention",
    "FlattenConsecutive",
    "LocalAttention",
    "Norm",
    "ResidualBlock",
    "RowNorm",
    "ShortConv",
    "SlidingFlatten",
    "delta_rule",
    "has_shift",
    "last_window",
    "linear",
    "linear_attention",
    "make_norm",
    "output_head",
    "pad_start",
    "rotate",
    "scan",
    "selective_scan",
]
