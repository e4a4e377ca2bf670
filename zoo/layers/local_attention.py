"""Causal multi-head attention over the last positions (Beltagy et al. 2020, section 3.1; De et al. 2024, section 2.3).

A row is cut into chunks as long as the window. The positions of a chunk see the chunk before and their own, so the cost
grows with the length and not with its square. A stream keeps the keys and values of the last positions. They are kept
without their rotation: a score depends on the distance alone, so positions may count from the oldest key in memory.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.layers.linear import linear
from zoo.layers.mixer import Mixer, State
from zoo.layers.rotary import rotate


class LocalAttention(Mixer):
    """Attention to the last `window` positions, a position itself included, with rotary positions.

    Args:
        channels: C, divisible by heads.
        heads: H, number of attention heads.
        window: W, number of positions that a position sees; None: all, with a state that grows.
        out_gain: scale of the output layer's initial weights.

    Raises:
        ValueError: heads does not divide C, or C/H is odd.
    """

    def __init__(self, channels: int, *, heads: int, window: int | None, out_gain: float = 1.0) -> None:
        super().__init__()
        check_heads(channels, heads)
        self.heads, self.window, self.size = heads, window, channels // heads
        self.qkv = linear(channels, 3 * channels)
        self.out = linear(channels, channels, gain=out_gain)

    def begin(self, batch_size: int) -> State:
        """Room for keys and values (B, W, H, D), and which places hold one (B, W); (B, 0, ...) without a window."""
        W, weight = self.window or 0, self.out.weight
        room = weight.new_zeros(batch_size, W, self.heads, self.size)
        return {"keys": room, "values": room.clone(), "known": room.new_zeros(batch_size, W, dtype=torch.bool)}

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, C) and a state -> (B, T, C), and the state after."""
        T, past = x.shape[1], state["keys"].shape[1]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, self.size)).unbind(-3)
        known = torch.cat([state["known"], state["known"].new_ones(x.shape[0], T)], dim=1)
        keys, values = (torch.cat([state[name].to(x.dtype), new], dim=1) for name, new in (("keys", k), ("values", v)))
        after = {"keys": keys, "values": values, "known": known}
        if self.window is not None:
            after = {name: tensor[:, T:] for name, tensor in after.items()}
        place = torch.arange(past + T, device=x.device).unsqueeze(-1)
        q, keys = rotate(q, place[past:]), rotate(keys, place)
        mixed = self._attend_to_all(q, keys, values) if self.window is None else self._attend(q, keys, values, known)
        return self.out(mixed.flatten(2)), after

    def _attend_to_all(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries (B, T, H, D), keys and values (B, S, H, D) of which the last T are theirs -> (B, T, H, D)."""
        T, S = q.shape[1], k.shape[1]
        visible = None if T in (1, S) else q.new_ones(T, S, dtype=torch.bool).tril(S - T)
        return attend(q, k, v, visible, causal=T == S)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, known: Tensor) -> Tensor:
        """Queries (B, T, H, D), keys and values (B, W + T, H, D), whether they exist (B, W + T) -> (B, T, H, D)."""
        T, W = q.shape[1], k.shape[1] - q.shape[1]
        L = min(T, W)  # positions of a chunk
        if missing := -T % L:
            q, k, v = (F.pad(part, (0, 0, 0, 0, 0, missing)) for part in (q, k, v))
            known = F.pad(known, (0, missing))
        chunks = (T + missing) // L

        def see(part: Tensor) -> Tensor:
            """(B, W + chunks·L, ...) -> (B·chunks, W + L, ...): the W positions before a chunk, and its own."""
            before, own = part[:, : chunks * W].unflatten(1, (chunks, W)), part[:, W:].unflatten(1, (chunks, L))
            return torch.cat([before, own], dim=2).flatten(0, 1)

        place = torch.arange(W + L, device=q.device)
        distance = place[W:].unsqueeze(-1) - place
        near = (distance >= 0) & (distance < W)
        visible = (near & see(known).unsqueeze(1)) | (distance == 0)  # what is padded sees itself
        mixed = attend(q.unflatten(1, (chunks, L)).flatten(0, 1), see(k), see(v), visible.unsqueeze(1))
        return mixed.unflatten(0, (-1, chunks)).flatten(1, 2)[:, :T]


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None, *, causal: bool = False) -> Tensor:
    """Queries (B, T, H, D), keys and values (B, S, H, D), mask (B, 1, T, S) or less -> (B, T, H, D)."""
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, visible, is_causal=causal).transpose(1, 2)


def check_heads(channels: int, heads: int) -> None:
    """Check that heads can have rotary positions.

    Raises:
        ValueError: heads does not divide C, or C/H is odd.
    """
    if channels % heads:
        raise ValueError(f"channels (={channels}) must be divisible by heads (={heads})")
    if channels // heads % 2:
        raise ValueError(f"attention needs an even number of channels a head, not channels/heads = {channels // heads}")
