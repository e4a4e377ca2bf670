"""Count FLOPs of a model from the operations that run.

A multiply-add of a matrix product, a convolution or attention counts as two; additions, norms and activations count
as zero (Kaplan et al. 2020, section 2.1). Attention counts every pair of positions, including masked ones. On a CPU
torch 2.13 hides the products of the LSTM and of fused attention, so both run in plain forms with the same products.

A count lists what it leaves out: operations of unknown cost, and elementwise arithmetic where its share is large,
because it may be a product written elementwise. The FLOPs are then a lower bound.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.models.auxiliary import keep_nothing, read_auxiliary_loss
from zoo.models.interface import SequenceModel
from zoo.packing import Packing, chunk_size
from zoo.probes.products import OperationCounter, count_into, list_uncounted

ROWS = 2
"""Rows of a count, enough for BatchNorm. A second count has one more, to test that FLOPs are proportional to rows."""
FIT_TOLERANCE = 1e-3
"""Relative error of the fit to rows, tokens and chunks above which FLOPs are approximate."""

Shape = tuple[int, int, int]
"""Number of rows, tokens of the longest row, and tokens of all rows, as in `Batch.shape`."""

Layout = Literal["dense", "windows", "packed"]
"""Rows of equal length; windows with one target each, which a model may compute more cheaply; packed rows."""


class Flops(NamedTuple):
    """A FLOP count and its completeness."""

    total: int | None
    """None if they cannot be counted."""
    uncounted: tuple[str, ...] = ()
    """Operations that ran uncounted, so that `total` is a lower bound. If `total` is None, the reason."""
    fitted: bool = False
    """Whether `total` is approximate: FLOPs depend on more than rows, tokens and the longest row."""


class _Costs(NamedTuple):
    amounts: NDArray[np.float64]
    """FLOPs per row, per token and per chunk."""
    uncounted: frozenset[str]
    fitted: bool


class FlopCounter:
    """Count FLOPs of a model.

    Args:
        model: the model, preferably built for this: it is moved to the CPU and put into training mode.
        layout: arrangement of rows in a batch, on which the computation depends.
    """

    def __init__(self, model: SequenceModel, layout: Layout = "dense") -> None:
        self._model = model.to("cpu").train()
        self._layout = layout
        self._costs = cache(self._measure)

    def forward(self, length: int) -> float:
        """Return FLOPs of a forward pass of one row of `length` tokens."""
        return self.total(Counter({(1, length, length): 1}), backward=False)

    def training(self, length: int) -> float:
        """Return FLOPs of a forward and a backward pass of one row of `length` tokens."""
        return self.total(Counter({(1, length, length): 1}))

    def total(self, shapes: Counter[Shape], *, backward: bool = True) -> int:
        """Return FLOPs of training on batches of these shapes, or of their forward passes only.

        Raises:
            Exception: any exception of the model on a CPU.
        """
        total = 0
        for (rows, length, tokens), steps in shapes.items():
            total += steps * round(float(self._costs(length, backward).amounts @ _amounts(rows, length, tokens)))
        return total

    def count(self, shapes: Counter[Shape], *, backward: bool = True) -> Flops:
        """Like `total`, with the operations left out.

        Raises:
            Exception: as `total`.
        """
        measured = [self._costs(length, backward) for _, length, _ in shapes]
        uncounted = frozenset[str]().union(*(found.uncounted for found in measured))
        fitted = any(found.fitted for found in measured)
        return Flops(self.total(shapes, backward=backward), tuple(sorted(uncounted)), fitted)

    def try_count(self, shapes: Counter[Shape]) -> Flops:
        """Like `count` of training; an exception of the model becomes a `Flops` with its message and no total."""
        try:
            return self.count(shapes)
        except Exception as error:
            return Flops(None, (f"{type(error).__name__}: {error}".splitlines()[0],))

    def _measure(self, length: int, backward: bool) -> _Costs:
        """Measure the cost of batches whose longest row has `length` tokens."""
        if self._layout != "packed":
            found, another = (self._count([length] * rows, backward) for rows in (ROWS, ROWS + 1))
            a_row = found.flops / ROWS
            fitted = not _is_fit(another.flops, (ROWS + 1) * a_row)
            return _Costs(np.array([a_row, 0, 0]), list_uncounted(found) | list_uncounted(another), fitted)
        enough = chunk_size(length) - length + 1  # tokens for a second chunk
        more = [enough] if enough <= length else [1] * enough
        examples = [[length] * ROWS, [length, 1], [length, 1, 1], [length, *more], [length, (length + 1) // 2]]
        found_each = [self._count(lengths, backward) for lengths in examples]
        shapes = np.stack([_amounts(len(lengths), length, sum(lengths)) for lengths in examples])
        counts = np.array([found.flops for found in found_each], dtype=np.float64)
        amounts = np.asarray(np.linalg.lstsq(shapes, counts)[0], dtype=np.float64)
        uncounted = frozenset[str]().union(*map(list_uncounted, found_each))
        return _Costs(amounts, uncounted, fitted=not _is_fit(counts, shapes @ amounts))

    def _count(self, lengths: list[int], backward: bool) -> OperationCounter:
        """Count the operations that run for rows of these lengths."""
        draw, shape = torch.Generator().manual_seed(0), (len(lengths), lengths[0])
        tokens = torch.randint(self._model.vocab_size, shape, generator=draw)
        products, forward = OperationCounter(), self._forward_of(tokens, lengths)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]), keep_nothing(self._model):
            with count_into(products):
                logits = forward()
                auxiliary = read_auxiliary_loss(self._model) if backward else None
            if backward:
                total = logits.sum()  # cross-entropy is no part of the model; passing a gradient would import sympy
                total = total if auxiliary is None else total + auxiliary
                with count_into(products):
                    total.backward()
        self._model.zero_grad(set_to_none=True)
        return products

    def _forward_of(self, tokens: Tensor, lengths: list[int]) -> Callable[[], Tensor]:
        """Return the forward pass of tokens (B, T) in this layout; packing happens here, outside of the count."""
        if self._layout == "windows":
            return partial(self._model.last, tokens)
        if self._layout == "dense":
            return partial(self._model, tokens)
        packing = Packing.of(torch.tensor(lengths))
        return partial(self._model.packed, packing.pack(tokens), packing)


def _is_fit(counts: float | NDArray[np.float64], expected: float | NDArray[np.float64]) -> bool:
    return bool(np.allclose(counts, expected, rtol=FIT_TOLERANCE, atol=0.5))


def _amounts(rows: int, length: int, tokens: int) -> NDArray[np.float64]:
    """Return the numbers of rows, tokens and chunks (see `Packing.chunk`) of a batch whose longest row has T tokens."""
    return np.array([rows, tokens, -(-tokens // chunk_size(length))], dtype=np.float64)
