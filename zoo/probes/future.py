"""Replace the future of rows: tokens after a position, which must not change the logits up to it."""

import torch
from torch import Tensor


def replace_future(tokens: Tensor, others: Tensor, places: Tensor) -> Tensor:
    """(B, T), (B, T), (B,) -> (B, T): row b has `tokens` up to and including places[b], and `others` after it."""
    position = torch.arange(tokens.shape[1], device=tokens.device)
    return torch.where(position <= places.unsqueeze(1), tokens, others)


def mask_future(logits: Tensor, places: Tensor) -> Tensor:
    """(B, T, V), (B,) -> (B, T, V): row b has the logits up to and including places[b], and zeros after it."""
    position = torch.arange(logits.shape[1], device=logits.device)
    return logits.where((position <= places.unsqueeze(1)).unsqueeze(2), 0)
