"""A model of mixers, computed plainly: loops over rows, layers and positions around a naive form of its mixer."""

from collections.abc import Callable, Iterable

import torch
from pieces import plain_norm, plain_unit
from torch import Tensor, nn

Mix = Callable[[nn.Module, list[Tensor]], Iterable[Tensor]]


def plain_model(model, mix: Mix, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V); `mix` makes the outputs of a mixer at all positions of a row from its inputs, (C,) each."""
    rows = []
    for row in tokens.tolist():
        x = [model.embedding.weight[token] for token in row]
        for block in model.blocks:
            added = mix(block.mixer, [plain_norm(vector, block.norm1) for vector in x])
            x = [vector + more for vector, more in zip(x, added, strict=True)]
            if block.has_mlp:
                units = [plain_unit(block.up(plain_norm(vector, block.norm2)), model.config) for vector in x]
                x = [vector + block.down(unit) for vector, unit in zip(x, units, strict=True)]
        rows.append(torch.stack([model.head(plain_norm(vector, model.norm)) for vector in x]))
    return torch.stack(rows)


def convolved(conv: nn.Module | None, inputs: list[Tensor]) -> list[Tensor]:
    """A short convolution at every position, each (C,); the inputs where there is none."""
    if conv is None:
        return inputs
    taps = list(reversed(list(enumerate(reversed(conv.weight[:, 0].T)))))  # the oldest first
    return [conv.bias + sum(weight * inputs[t - i] for i, weight in taps if t >= i) for t in range(len(inputs))]
