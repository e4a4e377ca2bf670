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

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from zoo.models.interface import SequenceModel
from zoo.training.loss import cross_entropy

ROWS = 2
"""Operations are proportional to rows: two are enough to count, and enough for BatchNorm."""


class FlopCounter:
    """Counts FLOPs of `model`, on a copy of it.

    Args:
        windows: rows are windows with one target, which a model may do in a cheaper way.
    """

    def __init__(self, model: SequenceModel, *, windows: bool = False) -> None:
        self._model = copy.deepcopy(model).to("cpu").train()
        self._windows = windows
        self.forward = cache(lambda length: self._count(length, backward=False))
        """T -> FLOPs of a forward pass of one row of T tokens."""
        self.training = cache(lambda length: self._count(length, backward=True))
        """T -> FLOPs of a forward and a backward pass of one row of T tokens."""

    def total(self, shapes: Counter[tuple[int, int]]) -> int:
        """FLOPs of training on batches of these shapes (B, T)."""
        return sum(round(steps * rows * self.training(length)) for (rows, length), steps in shapes.items())

    def _count(self, length: int, *, backward: bool) -> float:
        tokens = torch.zeros(ROWS, length, dtype=torch.long)
        counter = FlopCounterMode(display=False)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]), _plain_kernels(), counter:
            logits = self._model.last(tokens).unsqueeze(1) if self._windows else self._model(tokens)
            if backward:
                cross_entropy(logits, tokens[:, -logits.shape[1] :]).backward()
        self._model.zero_grad(set_to_none=True)
        return counter.get_total_flops() / ROWS


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
