"""The interface of all models: dense, causal, (B, T) -> (B, T, V).

A model predicts the next token at every position of a row, from the past alone:

    class Mine(SequenceModel):
        def __init__(self, config, *, vocab_size, context):
            super().__init__(config, vocab_size=vocab_size, context=context)
            self.table = nn.Embedding(vocab_size, vocab_size)

        def forward(self, tokens):  # (B, T) -> (B, T, V)
            return self.table(tokens)

A model returns logits; `zoo.training.loss` computes the loss. Streaming works by default: the state holds the tokens
that the model may still look at, and `forward` runs on them again. A model with a state of its own, such as a hidden
vector, overrides `begin` and `prefill`.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from zoo.config import Multiples, Recipe
from zoo.packing import Packing
from zoo.tokens import BOUNDARY

State = dict[str, Tensor]
"""State of a stream: tensors by name, batch first."""


class ModelOptions(BaseModel):
    """Base of every model's `Config`: frozen; refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scales_with: ClassVar[str | None] = None
    """Name of the option that makes the model wider, which `--match` varies; None: the model cannot be scaled."""

    follows: ClassVar[Mapping[str, str]] = {}
    """Name that a user may take for an option -> what it follows from, for the error message."""

    def require(self, other: str, *, of: Sequence[str]) -> None:
        """Refuse options that change nothing without another one, such as "block=mlp", which is not given.

        For a validator. Beside the opposite (`block=none,mlp=2`), as ablations write it, they are allowed.

        Raises:
            ValueError: one of them is not its default, and the other option is not given.
        """
        for name in of:
            if (
                getattr(self, name) != type(self).model_fields[name].default
                and other.partition("=")[0] not in self.model_fields_set
            ):
                raise ValueError(f"{name} changes nothing without {other}")


class SequenceModel(nn.Module):
    """Base class of every model.

    Args:
        config: options of the architecture, each of which changes parameters, outputs or cost.
        vocab_size: V, with the boundary token.
        context: N, how many tokens back the model may look; models that look back without bound ignore it.

    Raises:
        TypeError: `config` is not an instance of the class's own `Config`.
        ValueError: `vocab_size` or `context` is less than 1.
    """

    class Config(ModelOptions):
        """No options."""

    recipe: ClassVar[Recipe] = Recipe()
    """Training settings that suit this model."""

    other_recipes: ClassVar[tuple[Recipe, ...]] = ()
    """Settings for other budgets and optimizers. A run takes the recipe for the nearest budget, of equals the first."""

    paper: ClassVar[str] = ""
    """Source of the idea."""

    config: Any
    """Options, an instance of the class's own `Config`."""

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
        """Number of tokens that a logit depends on, with its own position; None if unbounded."""
        return None

    @property
    def bounded_state(self) -> bool:
        """Whether the state of a stream stops growing, so that the cost of a token does not grow with the past."""
        return self.receptive_field is not None

    def parameter_groups(self) -> Mapping[str, Multiples | Mapping[str, float]]:
        """Multiples of learning rate and weight decay by shell pattern of parameters' names, for every optimizer.

        `{"embedding.*": {"rate": 0.1}, "*.bias": {"decay": 0.5}}`: rate 0.1 is a tenth of the run's rate. Decay 1 is
        that of the run; without it matrices have 1, biases and norms 0. No two patterns may match one parameter.
        """
        return {}

    def auxiliary_loss(self) -> Tensor | None:
        """A scalar () that training adds to the loss: a load balance, a commitment loss, a penalty; None for none.

        It is read once after every forward pass of training, in training mode, and computed from the parameters or from
        what that pass put on the model (`self.balance = ...`), which is removed after the step. It includes its own
        weight. Reported losses are the cross-entropy alone; the auxiliary loss is reported beside them.
        """
        return None

    def fit_counts(self, train: NDArray[Any], validation: NDArray[Any]) -> str:
        """Fit the model in closed form, as by counting: a model that defines it is not trained, but fitted by one call.

        What it learns goes into registered buffers, which may become larger: `self.counts = torch.from_numpy(counts)`.
        It draws no random numbers, so every seed gives the same model.

        Args:
            train: (n,) tokens. Documents stand between boundary tokens, `0 d₁ 0 d₂ 0 ...`, a stream after one, `0 d`;
                every token but the first is a target.
            validation: the same of the validation split, to choose options; never to be counted.

        Returns:
            What was counted or chosen, in a few words, for the record.
        """
        raise NotImplementedError(f"{type(self).__name__} is trained, not counted")

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V): logits of the next token at every position."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(tokens) -> logits")

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        """(M,) -> (M, V): logits of `forward` for packed rows, for training on documents.

        Override it to avoid computing padding.
        """
        return packing.pack(self.forward(packing.pad(tokens, BOUNDARY)))

    def last(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, V): logits after the last token. A windowed model overrides it to compute only these."""
        return self.forward(tokens)[:, -1]

    def begin(self, batch_size: int) -> State:
        """A fresh state for `batch_size` streams, on the device of the weights. Streams need evaluation mode."""
        tensors = chain(self.parameters(), self.buffers())
        device = next((tensor.device for tensor in tensors), torch.device("cpu"))
        return {"tokens": torch.empty(batch_size, 0, dtype=torch.long, device=device)}

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B,) and a state -> (B, V) logits of the token after, and the next state.

        The next state may reuse the memory of the given one: to return to a state, copy its tensors first.
        """
        return self.prefill(tokens.unsqueeze(1), state)

    def prefill(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T) and a state -> (B, V) logits after the last token, and the next state; T >= 1."""
        past = torch.cat([state["tokens"], tokens], dim=1)
        if self.receptive_field is None:
            return self.last(past), {"tokens": past}
        window = past[:, -self.receptive_field :].contiguous()  # like all tokens that a model is given
        return self.last(window), {"tokens": past[:, max(0, past.shape[1] - self.receptive_field + 1) :]}

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        """Give the buffers of a model that is counted the sizes of those in a state dict."""
        for name, buffer in self._buffers.items() if is_counted(type(self)) else ():
            if buffer is not None and isinstance(stored := state_dict.get(prefix + name), Tensor):
                self._buffers[name] = buffer.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *others)


def is_counted(kind: type[SequenceModel]) -> bool:
    """Return whether a model is fitted by counting (`fit_counts`) instead of training."""
    return kind.fit_counts is not SequenceModel.fit_counts
