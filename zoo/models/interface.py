"""The one interface of the zoo: dense, causal, (B, T) -> (B, T, V).

A model predicts the next token at every position of a row, from the past alone:

    class Mine(SequenceModel):
        def __init__(self, config, *, vocab_size, context):
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.table = nn.Embedding(vocab_size, vocab_size)

        def forward(self, tokens):  # (B, T) -> (B, T, V)
            return self.table(tokens)

It returns logits; the loss lives once, in `zoo.training.loss`. Streaming works without another line: by default a
state holds the tokens that the model may still look at, and `forward` runs on them again. A model with a state of its
own, such as a hidden vector, overrides `begin` and `prefill`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from zoo.config import Recipe
from zoo.packing import Packing
from zoo.tokens import BOUNDARY

State = dict[str, Tensor]
"""What a model remembers of a stream: tensors, batch first."""


class ModelOptions(BaseModel):
    """Base of every model's `Config`: frozen, unknown keys and values of another type refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scales_with: ClassVar[str | None] = None
    """The option that makes the model wider: what `--match` turns. None: it cannot be scaled."""

    follows: ClassVar[Mapping[str, str]] = {}
    """What is no option because it follows from others: name -> from what, told to whoever asks for it."""


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

    @property
    def bounded_state(self) -> bool:
        """Whether the state of a stream stops growing; where it does, a token costs the same however long the past."""
        return self.receptive_field is not None

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V): logits of the next token at every position."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(tokens) -> logits")

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V): the logits of `forward` for rows without padding between them; training on documents.

        A model that overrides it computes nothing for padding.
        """
        return packing.pack(self.forward(packing.pad(tokens, BOUNDARY)))

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V): logits after the last token; a windowed model computes nothing else."""
        return self.forward(tokens)[:, -1]

    def begin(self, batch_size: int) -> State:
        """A fresh state for `batch_size` streams, where the weights are. Streams are for evaluation mode."""
        device = next((tensor.device for tensor in self.parameters()), torch.device("cpu"))
        return {"tokens": torch.empty(batch_size, 0, dtype=torch.long, device=device)}

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the state to go on with.

        The memory of the given state may be reused: to come back to it, copy its tensors before.
        """
        return self.prefill(tokens.unsqueeze(1), state)

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last of them, and the state to go on with; T >= 1."""
        past = torch.cat([state["tokens"], tokens], dim=1)
        if self.receptive_field is None:
            return self.last(past), {"tokens": past}
        window = past[:, -self.receptive_field :].contiguous()  # as all tokens are that a model is given
        return self.last(window), {"tokens": past[:, max(0, past.shape[1] - self.receptive_field + 1) :]}
