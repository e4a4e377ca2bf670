"""minLSTM: a gated recurrence whose gates look at the input alone (Feng et al. 2024, section 3.2).

    h_t = f_t / (f_t + i_t) · h_{t-1} + i_t / (f_t + i_t) · h~_t

with f_t = sigmoid(Linear(x_t)), i_t = sigmoid(Linear(x_t)), h~_t = Linear(x_t): forget and input gates are divided by
their sum, so that h keeps its scale. The recurrence is linear in h, so a scan computes all t at once. A gate sees no
hidden vector of its own block, only the past that lower blocks pass on.

    (B, T) -> embed (B, T, C) -> blocks: norm, minLSTM, times a gate, Linear, + residual -> (B, T, V)
"""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from zoo import ModelOptions, Recipe, SequenceModel, State
from zoo.layers import linear, output_head, scan


class Block(nn.Module):
    """A minLSTM with an output gate and a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.inner = linear(channels, 4 * channels)
        self.outer = linear(channels, channels)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, C), hidden vector before (B, C) -> (B, T, C), hidden vector after (B, C)."""
        forget, write, candidate, gate = self.inner(self.norm(x)).chunk(4, dim=-1)
        ratio = F.logsigmoid(forget) - F.logsigmoid(write)  # log f - log i, whose sigmoid is f / (f + i)
        hidden = scan(torch.sigmoid(ratio), torch.sigmoid(-ratio) * candidate, before)
        return x + self.outer((hidden * F.silu(gate)).to(x.dtype)), hidden[:, -1]


class MinLSTM(SequenceModel):
    """Blocks of a gated linear recurrence whose gates look at the input alone."""

    class Config(ModelOptions):
        scales_with = "channels"

        channels: int = Field(32, ge=1, description="channels of every layer")
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
