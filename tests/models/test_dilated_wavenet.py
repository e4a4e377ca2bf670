"""The dilated WaveNet: its dilations, and the computation of a layer."""

from itertools import product

import pytest
import torch
from pieces import plain_norm, plain_unit
from torch import Tensor

from zoo.errors import UsageError
from zoo.models.dilated_wavenet import dilations_for

SIZES = list(product(range(2, 70), (2, 3, 4), (1, 2, 3)))


def field(dilations: list[int], kernel: int) -> int:
    return 1 + (kernel - 1) * sum(dilations)


def layers_needed(context: int, kernel: int, stacks: int) -> int:
    """Layers of `stacks` equally deep runs 1, k, k², ..., added one by one until they cover the context."""
    layers: list[int] = []
    while field(layers, kernel) < context:
        layers.append(kernel ** (len(layers) // stacks))
    return len(layers)


def test_the_fewest_layers_that_cover_the_context():
    for context, kernel, stacks in SIZES:
        assert len(dilations_for(context, kernel, stacks)) == layers_needed(context, kernel, stacks)


def test_the_field_is_the_context_exactly_with_kernel_2_and_hardly_more_with_others():
    for context, kernel, stacks in SIZES:
        assert context <= field(dilations_for(context, kernel, stacks), kernel) <= context + kernel - 2


def test_no_position_within_the_field_is_missed():
    for context, kernel, stacks in SIZES:
        dilations = dilations_for(context, kernel, stacks)
        reached = {0}
        for dilation in dilations:
            reached = {offset + tap * dilation for offset in reached for tap in range(kernel)}
        assert reached == set(range(field(dilations, kernel)))


@pytest.mark.parametrize(
    ("context", "kernel", "stacks", "expected"),
    [(8, 2, 1, [1, 2, 4]), (16, 2, 1, [1, 2, 4, 8]), (9, 3, 1, [1, 3]), (7, 2, 2, [1, 2, 1, 2]), (6, 2, 1, [1, 2, 2])],
)
def test_dilations_grow_by_the_kernel_in_every_stack(context, kernel, stacks, expected):
    assert dilations_for(context, kernel, stacks) == expected


def naive(model, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), position by position."""
    rows = []
    for row in tokens.tolist():
        x = [model.embedding.weight[token] for token in row]
        skips = [torch.zeros(())] * len(row)
        for layer, dilation in zip(model.layers, model.dilations, strict=True):
            above = []
            for t in range(len(x)):
                taps = [t - k * dilation for k in reversed(range(model.config.kernel))]
                seen = [plain_norm(x[s], layer.norm) if s >= 0 else torch.zeros_like(x[t]) for s in taps]
                fused = torch.cat(seen)
                z = plain_unit(layer.conv.linear(fused), model.config)
                if layer is model.layers[-1] or model.config.skips:
                    skips[t] = skips[t] + layer.skip(z)
                if layer is not model.layers[-1]:
                    above.append(layer.residual(z) + (x[t] if model.config.residual else 0))
            x = above
        rows.append(torch.stack([model.head(model.hidden(total.relu()).relu()) for total in skips]))
    return torch.stack(rows)


PIECES = [
    "norm=batch", "norm=layer", "norm=rms", "activation=relu", "gate=false", "residual=false", "skips=false",
    "norm=rms,activation=gelu,gate=false,residual=false,skips=false",
]  # fmt: skip


@pytest.mark.parametrize("options", ["", "kernel=3,", "stacks=2,", *(f"{piece}," for piece in PIECES)])
def test_gated_layers_with_residual_and_skip(options, make_model, draw, assert_model_is):
    model = make_model(f"dilated-wavenet({options}channels=3,skip=5)")
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, 12))


def test_a_context_of_one_raises_with_the_number(fresh_model):
    with pytest.raises(UsageError, match=r"context \(=1\) must be 2 or more"):
        fresh_model("dilated-wavenet", context=1)
