"""minGRU: a gated recurrence whose gates look at the input alone (Feng et al. 2024, section 3.1).

    h_t = (1 - z_t) · h_{t-1} + z_t · h~_t    with z_t = sigmoid(Linear(x_t)), h~_t = Linear(x_t)

The recurrence is linear in h, so a scan computes all t in log2(T) steps. A gate sees no hidden vector of its own block,
only the past that lower blocks pass on.

    (B, T) -> embed (B, T, C) -> blocks: norm, minGRU, times a gate, Linear, + residual -> (B, T, V)
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo import ModelOptions, Recipe, SequenceModel, State
from zoo.layers import linear, output_head


def scan(keep: Tensor, write: Tensor, before: Tensor) -> Tensor:
    """h_t = keep_t · h_{t-1} + write_t for all t, by doubling: (B, T, C), (B, T, C), h before (B, C) -> (B, T, C)."""
    reach = 1  # keep_t and write_t combine the last `reach` positions
    while reach < keep.shape[1]:
        write = write + keep * F.pad(write[:, :-reach], (0, 0, reach, 0))
        keep = keep * F.pad(keep[:, :-reach], (0, 0, reach, 0), value=1.0)
        reach *= 2
    return write + keep * before.unsqueeze(1)


class Block(nn.Module):
    """A minGRU with an output gate and a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.inner = linear(channels, 3 * channels)
        self.outer = linear(channels, channels)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), hidden vector before (B, C) -> (B, T, C), hidden vector after (B, C)."""
        update, candidate, gate = self.inner(self.norm(x)).chunk(3, dim=-1)
        z = torch.sigmoid(update)
        hidden = scan(1 - z, z * candidate, before)
        return x + self.outer(hidden * F.silu(gate)), hidden[:, -1]


class MinGRU(SequenceModel):
    """Blocks of a gated linear recurrence whose gates look at the input alone."""

    class Config(ModelOptions):
        scales_with = "channels"

        channels: int = Field(36, ge=1, description="channels of every layer")
        layers: int = Field(3, ge=1, description="blocks")

    recipe = Recipe(lr=2e-2, weight_decay=0.1)
    paper = "Feng et al. 2024, Were RNNs All We Needed?"
    config: Config

    def __init__(self, config: Config, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, config.channels)
        self.blocks = nn.ModuleList(Block(config.channels) for _ in range(config.layers))
        self.head = output_head(config.channels, vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x, _ = self._run(tokens, self.begin(len(tokens)))
        return self.head(x)

    def _run(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, T, C), and the state after the last token."""
        x, after = self.embedding(tokens), []
        for block, before in zip(self.blocks, state["hidden"].unbind(1), strict=True):
            x, hidden = block(x, before)
            after.append(hidden)
        return x, {"hidden": torch.stack(after, dim=1)}

    @property
    def bounded_state(self) -> bool:
        return True

    def begin(self, batch_size: int) -> State:
        """The hidden vector of every block, (B, layers, C)."""
        return {"hidden": self.embedding.weight.new_zeros(batch_size, self.config.layers, self.config.channels)}

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the state there."""
        x, state = self._run(tokens, state)
        return self.head(x[:, -1]), state
