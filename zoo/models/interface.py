"""The one interface of the zoo: dense, causal, (B, T) -> (B, T, V).

A model predicts the next token at every position of a row, from the past alone:

    class Mine(SequenceModel):
        def __init__(self, config, *, vocab_size, context):
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.table = nn.Embedding(vocab_size, vocab_size)

        def forward(self, tokens):  # (B, T) -> (B, T, V)
            return self.table(tokens)

It returns logits; the loss lives once, in `zoo.training.loss`. Streaming works without another line: the default
`step` keeps the tokens that the model may look at and runs `forward` on them.
"""

from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from zoo.config import Recipe

State = dict[str, Tensor]
"""What a model remembers of a stream: tensors, batch first."""


class ModelOptions(BaseModel):
    """Base of every model's `Config`: frozen, unknown keys and values of another type refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scales_with: ClassVar[str | None] = None
    """The option that makes the model wider: what `--match` turns. None: it cannot be scaled."""


class SequenceModel(nn.Module):
    """Base class of every model.

    Args:
        config: the architecture; every field changes parameters, outputs or cost.
        vocab_size: V, boundary token included.
        context: N, how far back the model may look; models that look back without bound ignore it.

    Raises:
        TypeError: `config` is not of the class's own `Config`.
        ValueError: a size is not positive.
    """

    class Config(ModelOptions):
        """No options."""

    recipe: ClassVar[Recipe] = Recipe()
    """What training this model well takes."""

    paper: ClassVar[str] = ""
    """Where the idea comes from."""

    config: Any
    """Of the class's own `Config`."""

    def __init__(self, config: BaseModel, *, vocab_size: int, context: int) -> None:
        super().__init__()
        if not isinstance(config, self.Config):
            raise TypeError(f"{type(self).__name__} takes a {type(self).__name__}.Config, not {config!r}")
        if vocab_size < 1 or context < 1:
            raise ValueError(f"vocab_size (={vocab_size}) and context (={context}) must be at least 1")
        self.config = config
        self.vocab_size = vocab_size
        self.context = context

    @property
    def receptive_field(self) -> int | None:
        """How many tokens a logit depends on, its own position included; None where there is no bound."""
        return None

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V): logits of the next token at every position."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(tokens) -> logits")

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V): logits after the last token; a windowed model computes nothing else."""
        return self.forward(tokens)[:, -1]

    def begin(self, batch_size: int) -> State:
        """A fresh state for `batch_size` streams."""
        device = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        return {"tokens": torch.empty(batch_size, 0, dtype=torch.long, device=device)}

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the state to go on with."""
        return self.prefill(tokens.unsqueeze(1), state)

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last of them, and the state to go on with; T >= 1."""
        past = torch.cat([state["tokens"], tokens], dim=1)
        if self.receptive_field is not None:
            past = past[:, -self.receptive_field :]
        return self.last(past), {"tokens": past}
