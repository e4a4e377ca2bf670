"""Rows that are cut, each somewhere: what stands after the cut may not change the logits up to it."""

import torch
from torch import Tensor


def replace_future(tokens: Tensor, others: Tensor, places: Tensor) -> Tensor:
    """(B, T), (B, T), (B,) -> (B, T): row b is that of `tokens` up to and with places[b], that of `others` after."""
    position = torch.arange(tokens.shape[1], device=tokens.device)
    return torch.where(position <= places.unsqueeze(1), tokens, others)


def mask_future(logits: Tensor, places: Tensor) -> Tensor:
    """(B, T, V), (B,) -> (B, T, V): the logits up to and with places[b] of row b, zeros after."""
    position = torch.arange(logits.shape[1], device=logits.device)
    return logits.where((position <= places.unsqueeze(1)).unsqueeze(2), 0)
