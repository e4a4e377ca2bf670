"""Models to trace, and their tokens."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.catalog import MODELS
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel
from zoo.probes.values import Trace

BUILT_IN = ["bigram", "bow", "dilated-wavenet", "gru", "lstm", "mlp", "rnn", "transformer", "wavenet"]


def make(name: str, vocab_size: int = 27, context: int = 8, **options: Any) -> SequenceModel:
    kind = MODELS.get(name)
    return build(kind, model_config(kind, options, name), vocab_size=vocab_size, context=context, seed=0)


def tokens(rows: int = 4, length: int = 8, vocab_size: int = 27) -> Tensor:
    return torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(3))


def listed(trace: Trace) -> list[tuple[str, str]]:
    return [(layer.name, layer.text) for layer in trace.layers]


class Plain(SequenceModel):
    """A model around layers that are given."""

    def __init__(self, layers: nn.Module, vocab_size: int = 27) -> None:
        super().__init__(self.Config(), vocab_size=vocab_size, context=8)
        self.layers = layers

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(tokens)


class Body(nn.Module):
    """An embedding, a function of layers a and b, and a head."""

    def __init__(self, body: Callable[[nn.Module, Tensor], Tensor], width: int = 16) -> None:
        super().__init__()
        self.table, self.a, self.b = nn.Embedding(27, width), nn.Linear(width, width), nn.Linear(width, width)
        self.head, self.body = nn.Linear(width, 27), body

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self, self.table(tokens)))


def with_body(body: Callable[[nn.Module, Tensor], Tensor]) -> SequenceModel:
    torch.manual_seed(0)
    return Plain(Body(body))
