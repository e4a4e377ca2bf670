"""FLOP formulas of the products among torch's operations.

They are those of `torch.utils.flop_counter` in torch 2.13 with corrections: torch ignores the groups in the weight
gradient of a grouped convolution, and counts `mv`, `dot`, `nn.Bilinear`, weighted embedding bags and similar
operations as 0. (It also counts a complex product as a real one: see `OperationCounter`.)
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def mv_flop(matrix: Tensor, vector: Tensor, **_: Any) -> int:
    """(m, k) @ (k,)."""
    return 2 * matrix.numel()


def addmv_flop(added: Tensor, matrix: Tensor, vector: Tensor, **_: Any) -> int:
    """(m,) + (m, k) @ (k,)."""
    return 2 * matrix.numel()


def dot_flop(a: Tensor, b: Tensor, **_: Any) -> int:
    """(k,) @ (k,)."""
    return 2 * a.numel()


def addbmm_flop(added: Tensor, a: Tensor, b: Tensor, **_: Any) -> int:
    """(b, m, k) @ (b, k, n), summed over b."""
    return 2 * a.numel() * b.shape[2]


def grouped_mm_flop(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    """Groups of rows, (m, k) @ (g, k, n), one matrix per row; groups of k, (m, k) @ (k, n); or a batched product."""
    return 2 * a.numel() * b.shape[-1]


def solve_triangular_flop(matrix: Tensor, right: Tensor, *_: Any, out_val: Tensor, **__: Any) -> int:
    """A triangular (n, n) system with each column of (n, m), or row of (m, n): n (n - 1) / 2 multiply-adds and n more.

    The diagonal counts as a multiply-add as well, so that it is n² a column.
    """
    return out_val.numel() * matrix.shape[-1]


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
    """FLOPs of the forward pass, for each requested gradient (`output_mask`) of inputs and weights.

    Weights are (out, in / groups, ...), or (in, out / groups, ...) if transposed; each is used once per position of
    the outputs (transposed: of the inputs).
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
    """nn.Bilinear: `a` times `b`, summed over the axes that `c` lacks, then times `c`. New axes have size 1.

    Without a sum the first product is elementwise and counts as zero.
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
    """Sums of table rows, which are a product if the rows have weights."""
    return 2 * indices.numel() * table.shape[1] if weights is not None else 0


def embedding_bag_backward_flop(grad: Tensor, indices: Tensor, *others: Any, **_: Any) -> int:
    """Gradient of the table; `others[8]` are the weights."""
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
    aten.linalg_solve_triangular: solve_triangular_flop,
    aten.convolution_backward: convolution_backward_flop,
    aten._trilinear: trilinear_flop,
    aten._embedding_bag: embedding_bag_flop,
    aten._embedding_bag_backward: embedding_bag_backward_flop,
    aten._embedding_bag_per_sample_weights_backward: embedding_bag_weights_flop,
}
"""Operation -> function that returns its FLOPs from its arguments and its result `out_val`."""
