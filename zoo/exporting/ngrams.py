"""Models of counts in operations whose sizes do not depend on the tokens.

The model itself adds what it counted after each context, and contexts differ in how much that is. Here every context of
a length has as many places as the one with the most followers; a place too many adds nothing.
"""

from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.overrides import TorchFunctionMode

from zoo.models.interpolated import InterpolatedNGrams


class NGrams(nn.Module):
    """(B, T) -> (B, T, V), the logits of a model of counts.

    Args:
        plain: use no operation that ONNX lacks.
    """

    def __init__(self, model: InterpolatedNGrams, *, plain: bool) -> None:
        super().__init__()
        self.model, self.plain = model, plain
        self.most = count_most_followers(model.keys, model.starts, model.vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        model, V = self.model, self.model.vocab_size  # noqa: N806
        with Bisecting() if self.plain else nullcontext():
            nodes = model._find_nodes(tokens).unbind(0)
        shares = model.weights.new_full((*tokens.shape, V), 1 / V)
        for node, most in zip(nodes, self.most, strict=False):  # no context may be as long as `nodes` allows
            there, node = node >= 0, node.clamp(min=0)
            start = model.starts[node]
            count = torch.where(there, model.starts[node + 1] - start, 0)
            place = torch.arange(most, device=tokens.device)
            inside = place < count.unsqueeze(-1)  # (B, T, most)
            place = torch.where(inside, start.unsqueeze(-1) + place, 0)
            own = torch.where(inside, model.shares[place], 0.0)
            shorter = shares * torch.where(there, model.weights[node], 1.0).unsqueeze(-1)
            shares = shorter.scatter_add(-1, model.followers[place].long(), own)
        return shares.log()


def count_most_followers(keys: Tensor, starts: Tensor, vocab_size: int) -> list[int]:
    """Return, for contexts of 0, 1, ... tokens, the largest number of different tokens that followed one."""
    ends, followers = [0, 1], np.diff(starts.numpy())
    while ends[-1] < len(keys):  # the children of the nodes before `ends[-1]` end where their keys do
        ends.append(int(torch.searchsorted(keys, ends[-1] * vocab_size)))
    return [int(followers[start:end].max()) for start, end in pairwise(ends)]


class Bisecting(TorchFunctionMode):
    """Context in which `torch.searchsorted` is a scan of plain operations, where ONNX lacks it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.searchsorted and not kwargs:
            return bisect(*args)
        return func(*args, **(kwargs or {}))


def bisect(keys: Tensor, wanted: Tensor) -> Tensor:
    """Ascending keys (n,) -> for every number wanted how many keys are less, bit by bit from the highest."""
    last = keys.shape[0]

    def step(found: Tensor, bit: Tensor) -> tuple[Tensor, Tensor]:
        further = found + bit
        less = (further <= last) & (keys[further.clamp(max=last) - 1] < wanted)
        return torch.where(less, further, found), bit.clone()

    bits = torch.tensor([1 << place for place in reversed(range(last.bit_length()))])
    found, _ = scan(step, torch.zeros_like(wanted), bits)
    return found
