"""Linear attention with decay, in chunks: a matrix of keys and values is written to, forgets, and is read.

    S_t = diag(a_t) S_{t-1} + k_t v_tᵀ,    o_t = S_tᵀ q_t

Without decay this is the linear attention of Katharopoulos et al. 2020 (equations 10 to 12), with one decay for a head
that of Sun et al. 2023 (section 2.1), with one for each channel that of Yang et al. 2024 (section 3.1). Positions of a
chunk of 16 read each other by masked products, all chunks together; only the matrices between chunks are a recurrence,
which is a `scan` over T / 16 of them (Yang et al. 2024, section 3.2).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.layers.scan import scan

CHUNK = 16
"""Positions of a chunk."""
LARGEST = 60.0
"""Largest exponent of a factor, which float32 holds. A chunk whose decays multiply to exp(-120) or less is inexact."""


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, before: Tensor
) -> tuple[Tensor, Tensor]:
    """Read all positions: (B, T, H, V), and the matrix after the last one (B, H, K, V).

    Args:
        q: queries (B, T, H, K).
        k: keys (B, T, H, K).
        v: values (B, T, H, V).
        log_decay: log a_t <= 0: (B, T, H, 1) for each head, (B, T, H, K) for each channel, None for a_t = 1.
        before: matrix before the first position (B, H, K, V).
    """
    T = q.shape[1]
    q, k, v = (to_chunks(part) for part in (q, k, v))
    if log_decay is None:
        scores = (q @ k.mT).tril()
        entering, staying, ends = q, k, None
    else:
        log_decay = to_chunks(log_decay).to(torch.promote_types(log_decay.dtype, torch.float32))
        sums, kind = log_decay.cumsum(-2), q.dtype
        ends = sums[..., -1:, :]
        entering, staying = q * sums.exp().to(kind), k * (ends - sums).exp().to(kind)
        if log_decay.shape[-1] == 1:
            scores = (q @ k.mT) * decay_between(log_decay).to(kind)
        else:
            half = ends / 2
            one, other = (sums - half).clamp(max=LARGEST).exp(), (half - sums).clamp(max=LARGEST).exp()
            scores = ((q * one.to(kind)) @ (k * other.to(kind)).mT).tril()
    written = staying.mT @ v
    matrices, after = _carry(written, None if ends is None else ends.mT.exp().to(q.dtype), before)
    return from_chunks(scores @ v + entering @ matrices, T), after


def _carry(written: Tensor, kept: Tensor | None, before: Tensor) -> tuple[Tensor, Tensor]:
    """What chunks write (B, H, c, K, V) and keep -> matrices before each of them, and after the last (B, H, K, V)."""
    if written.shape[2] == 1:
        after = written.squeeze(2) + (before if kept is None else kept.squeeze(2) * before)
        return before.unsqueeze(2), after
    if kept is None:
        after = before.unsqueeze(2) + written.cumsum(2)
    else:
        decay, write = (part.transpose(1, 2) for part in (kept.expand_as(written), written))
        after = scan(decay, write, before).transpose(1, 2)
    return torch.cat([before.unsqueeze(2), after[:, :, :-1]], dim=2), after[:, :, -1]


def decay_between(log_decay: Tensor) -> Tensor:
    """Decay from position j to i of a chunk, 0 where j is later: log a (..., L, 1) -> (..., L, L)."""
    L = log_decay.shape[-2]
    # sums of what lies between, not differences of sums from the start, which lose digits where a decay is near 0
    between = log_decay.expand(*log_decay.shape[:-1], L).tril(-1).cumsum(-2)
    return between.exp().tril()


def to_chunks(x: Tensor) -> Tensor:
    """(B, T, H, D) -> (B, H, chunks, L, D), zeros after the end. A row of less than 16 positions is one chunk."""
    L = min(CHUNK, x.shape[1])
    missing = -x.shape[1] % L
    if missing:
        x = F.pad(x, (0, 0, 0, 0, 0, missing))
    return x.unflatten(1, (-1, L)).movedim(3, 1)


def from_chunks(x: Tensor, length: int) -> Tensor:
    """(B, H, chunks, L, D) -> (B, T, H, D)."""
    return x.movedim(1, 3).flatten(1, 2)[:, :length]
