"""The delta rule, in chunks: a matrix replaces what it holds for a key (Schlag et al. 2021; Yang et al. 2024).

    S_t = a_t (I - b_t k_t k_tᵀ) S_{t-1} + b_t k_t v_tᵀ,    o_t = S_tᵀ q_t

With keys of length 1 and b_t = 1 the old value of a key is gone; with b_t = 2 its sign is turned (Grazzi et al. 2025).
The decay a_t is that of Yang et al. 2025. In a chunk every write depends on those before it, which is a triangular
system of equations (the WY form: Yang et al. 2024, section 3, appendix B), solved for all chunks together. The loop
over chunks has one matrix product each.
"""

import torch
from torch import Tensor

from zoo.layers.linear_attention import decays, from_chunks, to_chunks


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, write: Tensor, log_decay: Tensor | None, before: Tensor
) -> tuple[Tensor, Tensor]:
    """Read all positions: (B, T, H, V), and the matrix after the last one (B, H, K, V).

    It computes in float32 or wider, under autocast too, because errors of a chunk grow in those after it.

    Args:
        q: queries (B, T, H, K).
        k: keys (B, T, H, K), of length 1.
        v: values (B, T, H, V).
        write: b_t (B, T, H, 1), between 0 and 2.
        log_decay: log a_t <= 0 (B, T, H, 1); None for a_t = 1.
        before: matrix before the first position (B, H, K, V).
    """
    T, kind = q.shape[1], q.dtype
    exact = torch.promote_types(kind, torch.float32)
    with torch.autocast(q.device.type, enabled=False):
        q, k, v, write, before = (part.to(exact) for part in (q, k, v, write, before))
        if T == 1:
            q, k, v, write = (part.transpose(1, 2) for part in (q, k, v, write))
            kept = before if log_decay is None else before * log_decay[:, 0].unsqueeze(-1).to(exact).exp()
            after = kept + k.mT @ (write * (v - k @ kept))
            return (q @ after).transpose(1, 2).to(kind), after.to(kind)
        q, k, v, write = (to_chunks(part) for part in (q, k, v, write))
        log_decay = None if log_decay is None else to_chunks(log_decay.to(exact))
        read, after = _read(q, k, v, write, log_decay, before)
        return from_chunks(read, T).to(kind), after.to(kind)


def _read(
    q: Tensor, k: Tensor, v: Tensor, write: Tensor, log_decay: Tensor | None, before: Tensor
) -> tuple[Tensor, Tensor]:
    """The same with positions in chunks, (B, H, c, L, D)."""
    chunks = q.shape[:3]
    q, k, v, write = (part.flatten(0, 2) for part in (q, k, v, write))
    influence, scores, staying = k @ k.mT, q @ k.mT, k
    kept = torch.eye(k.shape[-1], dtype=k.dtype, device=k.device)
    if log_decay is not None:
        entering, remaining, between = (part.flatten(0, 2) for part in decays(log_decay))
        influence, scores, staying = influence * between, scores * between, k * remaining
        kept = kept * entering[:, -1:]
    written = solve(influence * write, write.squeeze(-1).diag_embed())
    own = written @ v
    removed = written @ -k if log_decay is None else (written * -entering.mT) @ k
    kept = torch.baddbmm(kept, staying.mT, removed)
    matrices, after = _carry(kept.unflatten(0, chunks), (staying.mT @ own).unflatten(0, chunks), before)
    matrices = matrices.flatten(0, 2)
    old = q @ matrices if log_decay is None else (q @ matrices) * entering
    read = torch.baddbmm(old, scores.tril(), torch.baddbmm(own, removed, matrices))
    return read.unflatten(0, chunks), after


def solve(lower: Tensor, right: Tensor) -> Tensor:
    """X with (I + lower) X = right; of `lower` (..., L, L) only what is below the diagonal is read."""
    if lower.shape[-1] == 1:
        return right
    return torch.linalg.solve_triangular(lower, right, upper=False, unitriangular=True)


def _carry(kept: Tensor, written: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices before each chunk, and after the last: (B, H, c, K, K) and (B, H, c, K, V) -> (B, H, c, K, V)."""
    matrices = [before.flatten(0, 1)]
    for keep, write in zip(kept.flatten(0, 1).unbind(1), written.flatten(0, 1).unbind(1), strict=True):
        matrices.append(torch.baddbmm(write, keep, matrices[-1]))
    heads = before.shape[:2]
    return torch.stack(matrices[:-1], dim=1).unflatten(0, heads), matrices[-1].unflatten(0, heads)
