"""FLOPs of every operation of torch that is a product.

The formulas are those of `torch.utils.flop_counter` in torch 2.13, corrected where it is wrong: it counts the weights'
gradient of a grouped convolution as if there were one group, and `mv`, `dot`, `nn.Bilinear`, weighted embedding bags
and their kin as 0. (It also counts a complex product as a real one: see `OperationCounter`.)
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
    output_mask: list[bool],
    **_: Any,
) -> int:
    """The FLOPs of the forward pass, once for the inputs and once for the weights, where `output_mask` wants them.

    Weights are (out, in / groups, ...), transposed (in, out / groups, ...): each is used once for every position of the
    outputs (transposed: of the inputs).
    """
    batch, _channels, *places = (x if transposed else grad).shape
    return 2 * weight.numel() * batch * prod(places) * sum(output_mask[:2])


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
    """Of nn.Bilinear: `a` by `b`, summed over the axes that `c` lacks, and the result by `c`; new axes have size 1.

    If nothing is summed, the first of the two is an elementwise product and counts nothing.
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


def embedding_bag_flop(
    table: Tensor,
    indices: Tensor,
    offsets: Tensor,
    by_frequency: bool = False,
    mode: int = 0,
    sparse: bool = False,
    weights: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> int:
    """Sums of rows of a table: a product where rows have weights."""
    return 2 * indices.numel() * table.shape[1] if weights is not None else 0


def embedding_bag_backward_flop(grad: Tensor, indices: Tensor, *others: Any, **_: Any) -> int:
    """Gradient of the table; the ninth of the other arguments is the weights."""
    return 2 * indices.numel() * grad.shape[1] if others[8] is not None else 0


def embedding_bag_weights_flop(grad: Tensor, table: Tensor, indices: Tensor, *_: Any, **__: Any) -> int:
    """Gradient of the weights."""
    return 2 * indices.numel() * grad.shape[1]


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
    aten._embedding_bag: embedding_bag_flop,
    aten._embedding_bag_backward: embedding_bag_backward_flop,
    aten._embedding_bag_per_sample_weights_backward: embedding_bag_weights_flop,
}
"""Operation -> function of its arguments and of `out_val`, its result, that gives its FLOPs."""
