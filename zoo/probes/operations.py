"""Classify torch operations as data movement or elementwise.

torch 2.13 tags pointwise operations and reductions; the lists here hold other operations that models run.
"""

from functools import cache

import torch
from torch._ops import OpOverload

aten = torch.ops.aten


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOVES = _names(
    """
    _index_put_impl _linalg_check_errors _local_scalar_dense _pack_padded_sequence _reshape_alias _to_copy
    _unsafe_index _unsafe_view bernoulli bincount block_diag cat channel_shuffle clone col2im constant_pad_nd copy
    diag_embed diagonal embedding embedding_dense empty_like equal exponential fill flip full_like gather im2col index
    index_add index_copy index_fill index_put index_select is_pinned lift lift_fresh masked_scatter masked_select
    max_unpool2d max_unpool3d new_empty new_empty_strided new_full new_ones new_zeros nonzero normal ones_like
    pixel_shuffle pixel_unshuffle promote_types rand_like randint_like randn_like random reflection_pad1d
    reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d
    resize roll scalar_tensor scatter scatter_add select select_scatter set slice slice_scatter split_with_sizes_copy
    stack tril triu unfold uniform unsafe_split unsafe_split_with_sizes upsample_nearest1d upsample_nearest2d
    upsample_nearest3d zero zeros_like
    """
)
"""Operations that create, move or scatter data."""

ELEMENTWISE = _names(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _fused_rms_norm _log_softmax _native_batch_norm_legit _prelu_kernel
    _safe_softmax _softmax _unique2 _weight_norm_interface adaptive_max_pool2d adaptive_max_pool3d addr allclose
    avg_pool2d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits bucketize cummax cummin cumprod cumsum
    fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask fractional_max_pool2d
    fractional_max_pool3d glu grid_sampler_2d grid_sampler_3d hardsigmoid hardswish histc huber_loss kthvalue
    log_sigmoid logcumsumexp max_pool2d_with_indices max_pool3d_with_indices median mse_loss multi_margin_loss
    multilabel_margin_loss multinomial native_batch_norm native_dropout native_group_norm native_layer_norm nll_loss
    nll_loss2d polar rrelu_with_noise scatter_reduce searchsorted smooth_l1_loss soft_margin_loss sort topk
    upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_trilinear3d
    """
)
"""Operations whose cost is (nearly, for sorting and pooling) proportional to elements, where torch has no tag."""

LEAVING = frozenset({"numpy", "__array__", "__dlpack__", "data_ptr", "storage", "untyped_storage"})
"""Tensor methods that give the data to code outside of torch."""


@cache
def is_move(op: OpOverload) -> bool:
    """Return whether an operation only moves data: a view, a copy, a new tensor, a gather."""
    return op.is_view or torch.Tag.inplace_view in op.tags or _name(op) in MOVES


@cache
def is_elementwise(op: OpOverload) -> bool:
    """Return whether the cost of an operation is proportional to the elements it reads or writes."""
    name = _name(op)
    kind = getattr(aten, name, None)
    tags = {tag for overload in kind.overloads() for tag in getattr(kind, overload).tags} if kind else set()
    return name in ELEMENTWISE or bool({torch.Tag.pointwise, torch.Tag.reduction} & (tags | set(op.tags)))


def _name(op: OpOverload) -> str:
    """Return the name without namespace, gradient and in-place endings; "" outside of aten."""
    name = op.overloadpacket.__name__ if op.namespace == "aten" else ""
    for ending in ("_backward_data", "_backward", "_forward", "_"):
        name = name.removesuffix(ending)
    return name
