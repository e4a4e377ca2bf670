"""Replace tokens, or mask logits, after a position of each row."""

import torch
from torch import Tensor


def replace_future(tokens: Tensor, others: Tensor, places: Tensor) -> Tensor:
    """(B, T), (B, T), (B,) -> (B, T): `tokens` up to and including places[b] in row b, then `others`."""
    position = torch.arange(tokens.shape[1], device=tokens.device)
    return torch.where(position <= places.unsqueeze(1), tokens, others)


def mask_future(logits: Tensor, places: Tensor) -> Tensor:
    """(B, T, V), (B,) -> (B, T, V): logits up to and including places[b] in row b, then zeros."""
    position = torch.arange(logits.shape[1], device=logits.device)
    return logits.where((position <= places.unsqueeze(1)).unsqueeze(2), 0)
