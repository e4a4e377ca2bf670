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

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from zoo.data.rows import Batch, Shape
from zoo.models.interface import SequenceModel
from zoo.packing import Packing
from zoo.training.loop import logits_of
from zoo.training.loss import cross_entropy

ROWS = 2
"""Operations are proportional to rows: two are enough to count, and enough for BatchNorm."""

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
        total = 0.0
        for (rows, length, tokens), steps in shapes.items():
            a_row, a_token = self._costs(length, backward)
            total += steps * (rows * a_row + tokens * a_token)
        return round(total)

    def _measured(self, length: int, backward: bool) -> tuple[float, float]:
        """FLOPs of a row whatever stands in it, and of a token in it, where the longest row has T tokens."""
        full = self._count([length] * ROWS, backward) / ROWS
        if self._layout != "packed" or length == 1:
            return full, 0.0
        missing = (ROWS - 1) * (length - 1)
        a_token = (full * ROWS - self._count([length] + [1] * (ROWS - 1), backward)) / missing
        return full - length * a_token, a_token

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
