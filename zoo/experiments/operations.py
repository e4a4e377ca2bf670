"""What is known of torch's operations: the FLOPs of products, and which others compute little or nothing.

The formulas are those of torch 2.13's `torch.utils.flop_counter`, with what it gets wrong or leaves out mended: it
counts the weights' gradient of a convolution with groups as if every channel met every other, and `mv`, `dot`,
`nn.Bilinear` and their kin as 0. (A complex product counts as a real one there: see `Products`.)
"""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
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


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOVES = _names(
    """
    _embedding_bag _embedding_bag_dense _index_put_impl _local_scalar_dense _reshape_alias _to_copy _unsafe_index
    _unsafe_view bernoulli bincount cat channel_shuffle clone col2im constant_pad_nd copy diag_embed diagonal embedding
    embedding_dense empty_like equal exponential fill flip full_like gather im2col index index_add index_copy index_fill
    index_put index_select lift lift_fresh masked_scatter masked_select max_unpool2d max_unpool3d new_empty
    new_empty_strided new_full new_ones new_zeros nonzero normal ones_like pixel_shuffle pixel_unshuffle promote_types
    rand_like randint_like randn_like random reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave
    replication_pad1d replication_pad2d replication_pad3d resize roll scalar_tensor scatter scatter_add select
    select_scatter set slice slice_scatter split_with_sizes_copy stack tril triu unfold uniform unsafe_split
    unsafe_split_with_sizes upsample_nearest1d upsample_nearest2d upsample_nearest3d zero zeros_like
    """
)
"""Data is made, moved, or added up where it goes."""

ELEMENTWISE = _names(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _fused_rms_norm _log_softmax _native_batch_norm_legit _prelu_kernel
    _safe_softmax _softmax adaptive_max_pool2d adaptive_max_pool3d addr avg_pool2d avg_pool3d binary_cross_entropy
    binary_cross_entropy_with_logits cumprod cumsum fractional_max_pool2d fractional_max_pool3d glu hardsigmoid
    hardswish huber_loss log_sigmoid logcumsumexp max_pool2d_with_indices max_pool3d_with_indices mse_loss
    multi_margin_loss multilabel_margin_loss native_batch_norm native_dropout native_group_norm native_layer_norm
    nll_loss nll_loss2d rrelu_with_noise smooth_l1_loss soft_margin_loss sort topk upsample_bicubic2d
    upsample_bilinear2d upsample_linear1d upsample_trilinear3d
    """
)
"""So much for each element, whatever the sizes (sorting and pooling: nearly); torch tags most of this kind itself."""

LEAVING = frozenset({"numpy", "__array__", "data_ptr", "__dlpack__"})
"""Methods of a tensor that give what is in it to code outside of torch."""


@cache
def is_move(op: OpOverload) -> bool:
    """Whether it computes nothing: views, copies, new tensors, gathering."""
    return op.is_view or torch.Tag.inplace_view in op.tags or _name(op) in MOVES


@cache
def is_elementwise(op: OpOverload) -> bool:
    """Whether what it computes is in proportion to the elements that it reads or writes."""
    name = _name(op)
    kind = getattr(aten, name, None)
    tags = {tag for overload in kind.overloads() for tag in getattr(kind, overload).tags} if kind else set()
    return name in ELEMENTWISE or bool({torch.Tag.pointwise, torch.Tag.reduction} & (tags | set(op.tags)))


def _name(op: OpOverload) -> str:
    """Without its namespace, and the same for a gradient or a form that works in place; "" outside of aten."""
    name = op.overloadpacket.__name__ if op.namespace == "aten" else ""
    for ending in ("_backward_data", "_backward", "_forward", "_"):
        name = name.removesuffix(ending)
    return name
