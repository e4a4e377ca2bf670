"""nanoGPT's training on Shakespeare's characters, as a plain loop: its model, its arithmetic of a step, its estimate.

From github.com/karpathy/nanoGPT: `config/train_shakespeare_char.py`, and the README for its run on a CPU. Written anew,
without its logging and checkpoints. Batches are drawn by the zoo, which costs as much as there, about 0.1 ms.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.data.rows import Rows
from zoo.data.tokens import Tokens

RATE, LOWEST, WARMUP = 1e-3, 1e-4, 100
"""Peak and last learning rate, and steps of its rise."""
BETAS, DECAY, CLIP = (0.9, 0.99), 0.1, 1.0


class PlainBlock(nn.Module):
    """Attention, then an MLP, each on a normalised input; no biases."""

    def __init__(self, channels: int, *, heads: int, layers: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = (nn.LayerNorm(channels, bias=False) for _ in range(2))
        self.qkv, self.out = nn.Linear(channels, 3 * channels, bias=False), nn.Linear(channels, channels, bias=False)
        self.up, self.down = (
            nn.Linear(*sizes, bias=False) for sizes in ((channels, 4 * channels), (4 * channels, channels))
        )
        for layer in (self.qkv, self.up):
            nn.init.normal_(layer.weight, std=0.02)
        for layer in (self.out, self.down):
            nn.init.normal_(layer.weight, std=0.02 / math.sqrt(2 * layers))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class PlainGPT(nn.Module):
    """nanoGPT's model, with learned positions and an output layer tied to the embedding; no dropout."""

    def __init__(self, vocab_size: int, *, context: int, channels: int, heads: int, layers: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.embedding, self.positions = nn.Embedding(vocab_size, channels), nn.Embedding(context, channels)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        self.blocks = nn.Sequential(*(PlainBlock(channels, heads=heads, layers=layers) for _ in range(layers)))
        self.norm = nn.LayerNorm(channels, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.norm(self.blocks(self.embedding(tokens) + self.positions(places)))
        return F.linear(x, self.embedding.weight)


class PlainLoop:
    """nanoGPT's loop over steps, which can continue.

    Args:
        forward: computes logits with the model, for example compiled; default: the model itself.
        steps: budget, on which the learning rate depends.
        fused: whether AdamW is fused; in nanoGPT on CUDA alone.
        dtype: dtype of autocast; float32 for none.
    """

    def __init__(
        self,
        model: nn.Module,
        rows: Rows,
        *,
        steps: int,
        batch_size: int,
        seed: int,
        forward: Callable[[Tensor], Tensor] | None = None,
        fused: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model, self.rows, self.steps, self.batch_size, self.seed = model, rows, steps, batch_size, seed
        self.forward, self.dtype, self.done = forward or model, dtype, 0
        matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
        others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, fused=fused or None)

    def train(self, steps: int) -> None:
        """Make the next `steps` steps."""
        self.model.train()
        for number in range(self.done, self.done + steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(number)
            batch = self.rows.batch(self.seed, number, self.batch_size)
            loss = plain_loss(self.forward, batch.tokens, batch.targets, self.dtype)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        self.done += steps

    def rate(self, number: int) -> float:
        """Learning rate of a step: a line up from 0, then half a cosine down to `LOWEST`."""
        if number < WARMUP:
            return RATE * number / WARMUP
        share = (number - WARMUP) / (self.steps - WARMUP)
        return LOWEST + 0.5 * (1 + math.cos(math.pi * share)) * (RATE - LOWEST)


def plain_loss(forward: Callable[[Tensor], Tensor], tokens: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, T), (B, T) -> () mean nats per token."""
    with torch.autocast(tokens.device.type, dtype=dtype, enabled=dtype != torch.float32):
        logits = forward(tokens)
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


@torch.no_grad()
def crop_estimate(
    model: nn.Module, rows: Rows, *, batches: int, batch_size: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> float:
    """Estimate a loss as nanoGPT does: the mean over batches of random crops, in evaluation mode."""
    model.eval()
    drawn = (rows.batch(seed, number, batch_size) for number in range(batches))
    losses = [plain_loss(model, batch.tokens, batch.targets, dtype) for batch in drawn]
    model.train()
    return torch.stack(losses).mean().item()


@torch.no_grad()
def row_loss(model: nn.Module, stream: Tokens, length: int) -> float:
    """Mean loss of a stream in rows of `length` that do not overlap, which the estimate by crops approaches."""
    flat = torch.from_numpy(stream.flat[1:-1]).long()
    rows = (len(flat) - 1) // length
    tokens, targets = (flat[start : start + rows * length].view(rows, length) for start in (0, 1))
    model.eval()
    parts = zip(tokens.split(64), targets.split(64), strict=True)
    nats = sum(plain_loss(model, *part, torch.float32).item() * part[1].numel() for part in parts)
    model.train()
    return nats / targets.numel()
