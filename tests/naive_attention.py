"""Attention to the last positions, by an explicit mask over all pairs of positions."""

import math

import torch
from torch import Tensor


def turned(vectors: Tensor) -> Tensor:
    """(T, D) -> (T, D): pairs (i, i + D/2) as complex numbers, turned by the position."""
    T, half = len(vectors), vectors.shape[1] // 2
    phase = torch.arange(T).double().outer(10_000.0 ** (-torch.arange(half).double() / half))
    z = torch.complex(vectors[:, :half], vectors[:, half:]) * torch.polar(torch.ones_like(phase), phase)
    return torch.cat([z.real, z.imag], dim=1)


def naive_attention(layer, x: Tensor) -> Tensor:
    """(T, C) -> (T, C) of a LocalAttention, head by head, in float64."""
    T = len(x)
    distance = torch.arange(T).unsqueeze(1) - torch.arange(T)
    hidden = (distance < 0) | (distance >= (layer.window or T))
    parts = [part.chunk(layer.heads, dim=1) for part in layer.qkv(x).chunk(3, dim=1)]
    mixed = []
    for q, k, v in zip(*parts, strict=True):
        scores = (turned(q) @ turned(k).T / math.sqrt(q.shape[1])).masked_fill(hidden, -math.inf)
        weights = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
        mixed.append(weights @ v)
    return layer.out(torch.cat(mixed, dim=1))
