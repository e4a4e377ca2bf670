"""Base of models that interpolate n-grams: discounted shares of what followed a context, and weights of shorter ones.

    p(w | h) = share(h, w) + weight(h) * p(w | h without its first token)

down to the uniform distribution below the empty context. A context that was not counted has share 0 and weight 1. All
contexts are the nodes of one tree (`zoo.models.counting`), stored as buffers:

    keys (nodes,), starts (nodes + 1,), weights (nodes,); followers (n-grams,), shares (n-grams,) from starts[node]

    (B, T) -> nodes at every depth (B, T) -> (B, T, V), logits that are log probabilities
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor
from torch.nn.functional import pad

from zoo.models.counting import ROOT, Integers, Level
from zoo.models.interface import SequenceModel

MOST_LOGITS = 1 << 24
"""Logits that are computed at a time, which bounds memory."""
Floats = NDArray[np.float64]


class Discounted(NamedTuple):
    """Shares (n-grams,) of the n-grams of a level, and weights (contexts,) of the shorter contexts."""

    shares: Floats
    weights: Floats

    @classmethod
    def of(cls, level: Level, counts: Integers, discounts: Floats, vocab_size: int) -> "Discounted":
        """Take the discount (n-grams,) from every count, and leave what all of a context give to the shorter one."""
        context = level.grams // vocab_size
        total = np.bincount(context, counts, len(level.keys))
        return cls((counts - discounts) / total[context], np.bincount(context, discounts, len(level.keys)) / total)


class InterpolatedNGrams(SequenceModel):
    """n-grams, interpolated with shorter ones; uniform until they are counted."""

    keys: Tensor
    starts: Tensor
    weights: Tensor
    followers: Tensor
    shares: Tensor

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        for name, value in (
            ("keys", torch.full((1,), ROOT)),
            ("starts", torch.zeros(2, dtype=torch.long)),
            ("weights", torch.ones(1)),
            ("followers", torch.zeros(0, dtype=torch.int32)),
            ("shares", torch.zeros(0)),
        ):
            self.register_buffer(name, value)

    @property
    def receptive_field(self) -> int:
        raise NotImplementedError

    def store(self, levels: Sequence[Level], discounted: Sequence[Discounted]) -> None:
        """Make the levels, from the empty context on, the tree of the model."""
        V = self.vocab_size
        numbers = [len(level.keys) for level in levels]
        first = np.cumsum([0, *numbers])  # of the nodes of each depth
        above = [0, 0, *first[1:]]
        keys = [level.keys + above[depth] * V for depth, level in enumerate(levels)]
        followers = [np.bincount(level.grams // V, minlength=n) for level, n in zip(levels, numbers, strict=True)]
        self._put("keys", np.concatenate(keys))
        self._put("starts", np.concatenate([[0], np.concatenate(followers).cumsum()]))
        self._put("weights", np.concatenate([own.weights for own in discounted]))
        self._put("followers", np.concatenate([level.grams % V for level in levels]))
        self._put("shares", np.concatenate([own.shares for own in discounted]))

    def _put(self, name: str, values: NDArray[np.generic]) -> None:
        old: Tensor = getattr(self, name)
        setattr(self, name, torch.from_numpy(values).to(old.device, old.dtype))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        return self._predict(self._find_nodes(tokens))

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V)."""
        return self._predict(self._find_nodes(tokens)[:, :, -1:])[:, 0]

    def _find_nodes(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (depths, B, T) node of the context of 0, 1, ... tokens up to each; -1 for one not counted."""
        found = [torch.zeros_like(tokens)]
        for depth in range(1, self.receptive_field + 1):
            earlier = pad(tokens, (depth - 1, 0), value=-1)[:, : tokens.shape[1]]
            wanted = found[-1] * self.vocab_size + earlier
            node = torch.searchsorted(self.keys, wanted).clamp_(max=len(self.keys) - 1)
            there = (found[-1] >= 0) & (earlier >= 0) & (self.keys[node] == wanted)
            found.append(torch.where(there, node, -1))
        return torch.stack(found)

    def _predict(self, nodes: Tensor) -> Tensor:
        """(depths, B, T) nodes -> (B, T, V) log probabilities."""
        V, shape = self.vocab_size, nodes.shape[1:]
        empty = self._interpolate(self.weights.new_full((1, V), 1 / V), nodes.new_zeros(1))
        parts = []
        for part in nodes.flatten(1).split(max(1, MOST_LOGITS // V), dim=1):
            probabilities = empty.expand(part.shape[1], V).clone()
            for node in part[1:]:
                probabilities = self._interpolate(probabilities, node)
            parts.append(probabilities.log_())
        return torch.cat(parts).view(*shape, V)

    def _interpolate(self, shorter: Tensor, node: Tensor) -> Tensor:
        """(n, V) probabilities after the shorter contexts, changed in place, and (n,) nodes -> (n, V) after these."""
        there, node = node >= 0, node.clamp(min=0)
        shorter *= torch.where(there, self.weights[node], 1.0).unsqueeze(1)
        start = self.starts[node]
        count = torch.where(there, self.starts[node + 1] - start, 0)
        row = torch.repeat_interleave(torch.arange(len(node), device=node.device), count)
        gram = torch.ones_like(row).cumsum(0) - 1 + (start - count.cumsum(0) + count)[row]
        shorter[row, self.followers[gram].long()] += self.shares[gram]
        return shorter
