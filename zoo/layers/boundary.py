"""Boundary tokens before the start of a row."""

import torch.nn.functional as F
from torch import Tensor

from zoo.tokens import BOUNDARY


def pad_start(tokens: Tensor, count: int) -> Tensor:
    """(B, T) -> (B, count + T): `count` boundary tokens before every row (the lecture's row of dots)."""
    return F.pad(tokens, (count, 0), value=BOUNDARY) if count else tokens


def last_window(tokens: Tensor, length: int) -> Tensor:
    """(B, T) -> (B, length): the last `length` tokens, after boundary tokens if the row is shorter."""
    return pad_start(tokens[:, -length:], max(0, length - tokens.shape[1]))
