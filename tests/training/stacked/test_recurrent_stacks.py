"""Recurrent layers that run step by step under vmap, against torch's own, model by model, in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.data.rows import Batch
from zoo.models.interface import SequenceModel
from zoo.training.loss import cross_entropy
from zoo.training.stacked.stack import Stack
from zoo.training.stacked.stackable import DRAWS, why_not_stacked

LAYERS: dict[str, Callable[..., nn.RNNBase]] = {
    "rnn": nn.RNN,
    "relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


class Stranger(SequenceModel):
    """A model with a recurrent layer of torch whose first state is learned."""

    layer: str
    options: dict[str, Any]

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, 3)
        self.cells = LAYERS[self.layer](3, 5, **self.options)
        self.first = nn.ParameterList(
            torch.randn(self.cells.num_layers * (1 + self.cells.bidirectional), 1, size)
            for size in ((self.cells.proj_size or 5), 5)[: 1 + (self.layer == "lstm")]
        )
        self.head = nn.Linear((self.cells.proj_size or 5) * (1 + self.cells.bidirectional), vocab_size)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens if self.cells.batch_first else tokens.T)
        first = tuple(vector.expand(-1, len(tokens), -1).contiguous() for vector in self.first)
        out, last = self.cells(x, first if self.layer == "lstm" else first[0])
        if isinstance(last, tuple):
            last = last[1]
        logits = self.head(out if self.cells.batch_first else out.transpose(0, 1))
        return logits + last.mean()  # not causal; here every result of the layer matters


def stranger(layer: str, **options: Any) -> type[Stranger]:
    return type("Stranger", (Stranger,), {"layer": layer, "options": options})


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_first": True},
        {"batch_first": True, "num_layers": 3, "bias": False},
        {"num_layers": 2, "dropout": 0.5},
    ],
    ids=str,
)
def test_losses_and_gradients_in_a_stack_are_those_of_torchs_own_layers(
    layer: str, options: dict[str, Any], make_model: Callable[..., SequenceModel]
) -> None:
    kind = stranger(layer, **options)
    alone, together = ([make_model(kind, seed=k).double().eval() for k in range(3)] for _ in range(2))
    tokens, targets = torch.arange(60).view(3, 4, 5) % 7, torch.arange(60).flip(0).view(3, 4, 5) % 7
    stack = Stack(together)
    losses = stack.losses(Batch(tokens, targets))
    gradients = stack.gradient(losses)
    for k, model in enumerate(alone):
        loss = cross_entropy(model(tokens[k]), targets[k])
        expected = torch.autograd.grad(loss, list(model.parameters()))
        torch.testing.assert_close(losses.cross_entropy[k], loss, rtol=1e-12, atol=1e-12)
        found = gradients[k].split([part.numel() for part in expected])
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other.flatten(), rtol=1e-10, atol=1e-12)


def test_no_gradients_are_needed(make_model: Callable[..., SequenceModel]) -> None:
    models = [make_model("gru", seed=k).double() for k in range(2)]
    tokens = torch.arange(12).view(2, 2, 3) % 7
    with torch.no_grad():
        expected = [cross_entropy(model(own), own) for model, own in zip(models, tokens, strict=True)]
        torch.testing.assert_close(Stack(models).losses(Batch(tokens, tokens)).cross_entropy, torch.stack(expected))


@pytest.mark.parametrize("layer", ["gru", "lstm"])
def test_dropout_between_layers_is_drawn_by_each_replica_for_itself(
    layer: str, make_model: Callable[..., SequenceModel]
) -> None:
    kind = stranger(layer, num_layers=2, dropout=0.5)
    tokens = (torch.arange(20).view(1, 4, 5) % 7).repeat(2, 1, 1)
    losses = Stack([make_model(kind, seed=1).train() for _ in range(2)]).losses(Batch(tokens, tokens))
    first, second = losses.cross_entropy.tolist()
    assert first != second
    assert why_not_stacked(lambda seed: make_model(kind, seed=seed)) == DRAWS


@pytest.mark.parametrize("model", ["rnn", "gru", "lstm"])
def test_weight_dropout_is_drawn_by_each_replica_for_itself(
    model: str, make_model: Callable[..., SequenceModel]
) -> None:
    tokens = (torch.arange(20).view(1, 4, 5) % 7).repeat(2, 1, 1)
    losses = Stack([make_model(model, weight_dropout=0.5).train() for _ in range(2)]).losses(Batch(tokens, tokens))
    first, second = losses.cross_entropy.tolist()
    assert first != second
    assert why_not_stacked(lambda seed: make_model(model, seed=seed, weight_dropout=0.5)) == DRAWS


@pytest.mark.parametrize(
    ("layer", "options"), [("gru", {"bidirectional": True}), ("lstm", {"proj_size": 4}), ("packed", {})]
)
def test_what_does_not_run_step_by_step_is_told_and_not_computed_wrongly(
    layer: str, options: dict[str, Any], make_model: Callable[..., SequenceModel]
) -> None:
    class Packed(stranger("gru", batch_first=True)):  # type: ignore[misc]
        def forward(self, tokens: Tensor) -> Tensor:
            B, T = tokens.shape
            rows = nn.utils.rnn.PackedSequence(self.table(tokens.T).flatten(0, 1), torch.full((T,), B))
            return self.head(self.cells(rows)[0].data.unflatten(0, (T, B)).transpose(0, 1))

    kind = Packed if layer == "packed" else stranger(layer, **options)
    why = why_not_stacked(lambda seed: make_model(kind, seed=seed))
    assert why is not None
    assert "RuntimeError: Batching rule not implemented" in why
