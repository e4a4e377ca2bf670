"""Floating-point operations of a model, counted by torch on the operations that really run.

A multiply-add of a matrix product, a convolution or attention counts as two; additions, norms and activations count
nothing, as is usual (Kaplan et al. 2020, section 2.1). Attention counts every pair of positions, those under the
mask too. On a CPU torch's counter sees neither inside the LSTM nor inside fused attention: for the count both run in
their plain forms, which do the same products.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from zoo.data.rows import Batch, Shape
from zoo.models.interface import SequenceModel
from zoo.packing import Packing, chunk_of
from zoo.training.loop import logits_of
from zoo.training.loss import cross_entropy

ROWS = 2
"""Operations of rows of one length are proportional to rows: two are enough to count, and enough for BatchNorm."""

Layout = Literal["dense", "windows", "packed"]
"""Rows of one length; windows with one target, which a model may do in a cheaper way; rows without padding."""


class FlopCounter:
    """Counts FLOPs of `model`, on a copy of it.

    Args:
        layout: how rows lie, on which depends what a model computes for them.
    """

    def __init__(self, model: SequenceModel, layout: Layout = "dense") -> None:
        self._model = copy.deepcopy(model).to("cpu").train()
        self._layout = layout
        self._costs = cache(self._measured)

    def forward(self, length: int) -> float:
        """FLOPs of a forward pass of one row of T tokens."""
        return self.total(Counter({(1, length, length): 1}), backward=False)

    def training(self, length: int) -> float:
        """FLOPs of a forward and a backward pass of one row of T tokens."""
        return self.total(Counter({(1, length, length): 1}))

    def total(self, shapes: Counter[Shape], *, backward: bool = True) -> int:
        """FLOPs of training on batches of these shapes, or of their forward passes alone."""
        total = 0
        for (rows, length, tokens), steps in shapes.items():
            total += steps * round(float(self._costs(length, backward) @ _amounts(rows, length, tokens)))
        return total

    def _measured(self, length: int, backward: bool) -> NDArray[np.float64]:
        """FLOPs of a row whatever stands in it, of a token in it, and of a chunk; the longest row has T tokens."""
        if self._layout != "packed":
            return np.array([self._count([length] * ROWS, backward) / ROWS, 0, 0])
        enough = chunk_of(length) - length + 1  # tokens for a second chunk
        more = [enough] if enough <= length else [1] * enough
        examples = [[length] * ROWS, [length, 1], [length, 1, 1], [length, *more]]
        amounts = [_amounts(len(lengths), length, sum(lengths)) for lengths in examples]
        counts = [self._count(lengths, backward) for lengths in examples]
        return np.linalg.lstsq(np.stack(amounts), np.array(counts, dtype=np.float64))[0]

    def _count(self, lengths: list[int], backward: bool) -> int:
        """FLOPs of rows of these lengths."""
        tokens, packing = torch.zeros(len(lengths), lengths[0], dtype=torch.long), Packing.of(torch.tensor(lengths))
        batch = {
            "dense": Batch(tokens, tokens),
            "windows": Batch(tokens, tokens[:, :1]),
            "packed": Batch(packing.pack(tokens), packing.pack(tokens), packing),
        }[self._layout]
        counter = FlopCounterMode(display=False)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]), _plain_kernels(), counter:
            logits = logits_of(self._model, batch)
            if backward:
                cross_entropy(logits, batch.targets).backward()
        self._model.zero_grad(set_to_none=True)
        return counter.get_total_flops()


def _amounts(rows: int, length: int, tokens: int) -> NDArray[np.float64]:
    """Rows, tokens, and chunks (see `Packing.chunk`) of a batch whose longest row has T tokens."""
    return np.array([rows, tokens, -(-tokens // chunk_of(length))], dtype=np.float64)


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Without fused attention and oneDNN's LSTM. (`torch.backends.mkldnn.flags` sets more, and warns of it.)"""
    set_flags = torch.backends.mkldnn.set_flags
    before = set_flags(_enabled=False, _fp32_precision=None)[0]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        set_flags(_enabled=before, _fp32_precision=None)
