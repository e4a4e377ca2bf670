"""What stands before the start of a row: boundary tokens."""

import torch.nn.functional as F
from torch import Tensor

from zoo.tokens import BOUNDARY


def pad_start(tokens: Tensor, count: int) -> Tensor:
    """(B, T) -> (B, count + T), `count` boundary tokens before every row (the lecture's row of dots)."""
    return F.pad(tokens, (count, 0), value=BOUNDARY) if count else tokens
