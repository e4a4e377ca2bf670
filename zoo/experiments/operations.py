"""What is known of torch's operations: the FLOPs of products, and which others compute little or nothing.

The formulas are those of torch 2.13's `torch.utils.flop_counter`, with what it gets wrong or leaves out mended: it counts
the weights' gradient of a convolution with groups as if every channel met every other, and `mv`, `dot`, `nn.Bilinear`
and their kin as 0. (A complex product counts as a real one there: see `Products`.)
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def mv_flop(matrix: Tensor, vector: Tensor, **_: Any) -> int:
    """(m, k) by (k,)."""
    return 2 * matrix.numel()


def addmv_flop(added: Tensor, matrix: Tensor, vector: Tensor, **_: Any) -> int:
    """(m, k) by (k,), and (m,) added."""
    return 2 * matrix.numel()


def dot_flop(a: Tensor, b: Tensor, **_: Any) -> int:
    """(k,) by (k,)."""
    return 2 * a.numel()


def addbmm_flop(added: Tensor, a: Tensor, b: Tensor, **_: Any) -> int:
    """(b, m, k) by (b, k, n), added up over b."""
    return 2 * a.numel() * b.shape[2]


def grouped_mm_flop(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    """Rows in groups, (m, k) by (g, k, n): each row meets one matrix; k in groups, (m, k) by (k, n); or a batch."""
    return 2 * a.numel() * b.shape[-1]


def convolution_backward_flop(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    asked: list[bool],
    **_: Any,
) -> int:
    """For the inputs and for the weights, where they are asked for, what the forward pass takes.

    Weights are (out, in / groups, ...), transposed (in, out / groups, ...): every place of the outputs (transposed: of
    the inputs) meets each of them once.
    """
    batch, _channels, *places = (x if transposed else grad).shape
    return 2 * weight.numel() * batch * prod(places) * sum(asked[:2])


def trilinear_flop(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    new_a: list[int],
    new_b: list[int],
    new_c: list[int],
    summed: list[int],
    *_: Any,
    **__: Any,
) -> int:
    """Of nn.Bilinear: `a` by `b`, added up over the axes that `c` lacks, and that by `c`; new axes have size 1.

    Where nothing is added up over, the first of the two is an elementwise product, and counts nothing.
    """
    shapes = [_with_axes(tensor, axes) for tensor, axes in ((a, new_a), (b, new_b), (c, new_c))]
    pair = [max(sizes) for sizes in zip(*shapes[:2], strict=True)]
    first = [axis for axis in summed if axis in new_c]
    left = [1 if axis in first else size for axis, size in enumerate(pair)]
    return (2 * prod(pair) if first else 0) + 2 * prod(max(sizes) for sizes in zip(left, shapes[2], strict=True))


def _with_axes(tensor: Tensor, axes: list[int]) -> list[int]:
    shape = list(tensor.shape)
    for axis in sorted(axes):
        shape.insert(axis, 1)
    return shape


FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten.mv: mv_flop,
    aten.addmv: addmv_flop,
    aten.dot: dot_flop,
    aten.vdot: dot_flop,
    aten.addbmm: addbmm_flop,
    aten._grouped_mm: grouped_mm_flop,
    aten.convolution_backward: convolution_backward_flop,
    aten._trilinear: trilinear_flop,
}
"""Operation -> FLOPs, from its arguments and `out_val`, its result."""


def _operations(names: str) -> frozenset[Any]:
    return frozenset(getattr(aten, name) for name in names.split())


MOVES = _operations(
    """
    _embedding_bag _embedding_bag_backward _embedding_bag_dense_backward _index_put_impl_ _local_scalar_dense
    _reshape_alias _to_copy _unsafe_view bernoulli bernoulli_ bincount cat channel_shuffle clone constant_pad_nd copy
    copy_ diag_embed diagonal_backward embedding embedding_dense_backward empty_like equal exponential_ fill fill_ flip
    full_like gather index index_add index_add_ index_copy index_copy_ index_fill index_fill_ index_put index_put_
    index_select lift lift_fresh masked_scatter masked_select new_empty new_empty_strided new_full new_ones new_zeros
    nonzero normal_ ones_like pixel_shuffle pixel_unshuffle promote_types rand_like randint_like randn_like random_
    reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d
    replication_pad3d resize_ roll scalar_tensor scatter scatter_ scatter_add scatter_add_ select_backward
    select_scatter set_ slice_backward slice_scatter split_with_sizes_copy stack tril tril_ triu triu_ unfold_backward
    uniform_ unsafe_split unsafe_split_with_sizes zero zero_ zeros_like
    """
)
"""Data is made, moved, or added up where it goes."""

ELEMENTWISE = _operations(
    """
    _log_softmax _log_softmax_backward_data _native_batch_norm_legit _safe_softmax _softmax _softmax_backward_data addr
    cumprod cumsum logcumsumexp native_batch_norm native_batch_norm_backward native_dropout native_dropout_backward
    native_group_norm native_group_norm_backward native_layer_norm native_layer_norm_backward sort topk
    """
)
"""So much for each element, whatever the sizes (sorting: nearly); torch tags most others of this kind itself."""

LEAVING = frozenset({"numpy", "__array__", "data_ptr", "__dlpack__"})
"""Methods of a tensor that give what is in it to code outside of torch."""
