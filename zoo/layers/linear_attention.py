"""Linear attention with decay, in chunks: a matrix of keys and values is written to, forgets, and is read.

    S_t = diag(a_t) S_{t-1} + k_t v_tᵀ,    o_t = S_tᵀ q_t

Without decay this is the linear attention of Katharopoulos et al. 2020 (equations 10 to 12), with one decay for a head
that of Sun et al. 2023 (section 2.1), with one for each channel that of Yang et al. 2024 (section 4.1). Positions of a
chunk of 16 read each other by masked products, all chunks together; only the matrices between chunks are a recurrence,
which is a `scan` over T / 16 of them (Yang et al. 2024, section 4.2).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.layers.scan import scan

CHUNK = 16
"""Positions of a chunk."""
LARGEST = 80.0
"""Largest exponent of a factor in a chunk, which float32 holds."""
LEAST = -2 * LARGEST / CHUNK
"""Log of the smallest decay of a channel: exp(-10), of which a chunk multiplies 16."""


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, before: Tensor
) -> tuple[Tensor, Tensor]:
    """Read all positions: (B, T, H, V), and the matrix after the last one (B, H, K, V).

    Args:
        q: queries (B, T, H, K).
        k: keys (B, T, H, K).
        v: values (B, T, H, V).
        log_decay: log a_t <= 0: (B, T, H, 1) for each head, (B, T, H, K) for each channel, None for a_t = 1. Of a
            channel it counts as -10 if it is less, which forgets all but 0.005%.
        before: matrix before the first position (B, H, K, V).
    """
    T, kind = q.shape[1], q.dtype
    if log_decay is not None and log_decay.shape[-1] > 1:
        log_decay = log_decay.clamp(min=LEAST)
    if T == 1:
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        kept = before if log_decay is None else before * log_decay[:, 0].unsqueeze(-1).exp().to(kind)
        after = kept + k.mT @ v
        return (q @ after).transpose(1, 2), after
    q, k, v = (to_chunks(part) for part in (q, k, v))
    if log_decay is None:
        matrices, after = _carry(k.mT @ v, before.new_ones(1, 1, 1, 1, 1), before)
        return from_chunks((q @ k.mT).tril() @ v + q @ matrices, T), after
    log_decay = to_chunks(log_decay.to(torch.promote_types(log_decay.dtype, torch.float32)))
    if log_decay.shape[-1] == 1:
        entering, staying, between = (part.to(kind) for part in decays(log_decay))
        matrices, after = _carry((k * staying).mT @ v, entering[..., -1:, :], before)
        return from_chunks(((q @ k.mT) * between).tril() @ v + (q @ matrices) * entering, T), after
    sums = log_decay.cumsum(-2)
    half = sums[..., -1:, :] / 2
    q = q * (sums - half).exp().to(kind)
    k = k * (half - sums).exp().to(kind)
    rest = half.exp().mT.to(kind)  # of half the chunk
    matrices, after = _carry((k.mT @ v) * rest, rest.square(), before)
    return from_chunks((q @ k.mT).tril() @ v + q @ (matrices * rest), T), after


def _carry(written: Tensor, kept: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """What chunks write (B, H, c, K, V) and keep -> matrices before each of them, and after the last (B, H, K, V)."""
    if written.shape[2] == 1:
        return before.unsqueeze(2), written.squeeze(2) + kept.squeeze(2) * before
    decay, write = (part.transpose(1, 2) for part in (kept.expand_as(written), written))
    after = scan(decay, write, before).transpose(1, 2)
    return torch.cat([before.unsqueeze(2), after[:, :, :-1]], dim=2), after[:, :, -1]


def decays(log_decay: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Decays of a chunk, from log a (..., L, 1).

    They are exponentials of sums of what lies between, not of differences of sums from the start, which lose digits
    where a decay is near 0.

    Returns:
        (..., L, 1) from before the chunk to each position, (..., L, 1) from each to the last, and (..., L, L) from the
        column's position to the row's, 1 where the column's is later.
    """
    log_decay = log_decay.squeeze(-1)
    L = log_decay.shape[-1]
    past = log_decay.new_ones(L, L).tril()  # of a row's position: those up to it
    later = (past.unsqueeze(1) > past).to(past)  # (i, j, m): j < m <= i
    with torch.autocast(log_decay.device.type, enabled=False):
        between = (log_decay @ later.flatten(0, 1).mT).exp().unflatten(-1, (L, L))
        entering, staying = (log_decay @ part for part in (past.mT, later[-1].mT))
    return entering.exp().unsqueeze(-1), staying.exp().unsqueeze(-1), between


def to_chunks(x: Tensor) -> Tensor:
    """(B, T, H, D) -> (B, H, chunks, L, D), zeros after the end. A row of less than 16 positions is one chunk."""
    L = min(CHUNK, x.shape[1])
    missing = -x.shape[1] % L
    if missing:
        x = F.pad(x, (0, 0, 0, 0, 0, missing))
    return x.unflatten(1, (-1, L)).movedim(3, 1).contiguous()


def from_chunks(x: Tensor, length: int) -> Tensor:
    """(B, H, chunks, L, D) -> (B, T, H, D)."""
    return x.movedim(1, 3).flatten(1, 2)[:, :length]
