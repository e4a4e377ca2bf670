"""The hierarchical WaveNet: one list of blocks, run in two ways."""

import pytest
import torch
from pieces import plain_norm, plain_unit
from pydantic import ValidationError
from torch import Tensor

from zoo.errors import UsageError
from zoo.layers import FlattenConsecutive
from zoo.models.build import count_parameters
from zoo.models.wavenet import WaveNet, levels_for
from zoo.tokens import BOUNDARY
from zoo.training.loss import cross_entropy

SIZES = pytest.mark.parametrize(("n", "context"), [(2, 2), (2, 8), (4, 16), (3, 9), (8, 8)])


def naive(model, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), by loops over windows and levels, in evaluation mode."""
    n = model.config.n
    rows = []
    for row in tokens.tolist():
        padded = [BOUNDARY] * (model.context - 1) + row
        logits = []
        for t in range(len(row)):
            x, tops = [model.embedding.weight[token] for token in padded[t : t + model.context]], []
            for level in model.levels:
                newest = x[n - 1 :: n]
                fused = [level.linear(torch.cat(x[i : i + n])) for i in range(0, len(x), n)]
                x = [plain_unit(plain_norm(vector, level.norm), model.config) for vector in fused]
                if model.config.residual and tops:
                    x = [vector + below for vector, below in zip(x, newest, strict=True)]
                tops.append(x[-1])
            top = sum(tops) if model.config.skips else tops[-1]
            logits.append(model.head.weight @ top + model.head.bias)
        rows.append(torch.stack(logits))
    return torch.stack(rows)


@SIZES
@pytest.mark.parametrize("tree", ["true", "false"])
def test_it_fuses_neighbours_level_by_level(tree, n, context, make_model, draw, assert_model_is):
    model = make_model(f"wavenet(embedding=3,hidden=5,n={n},tree={tree})", context=context)
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, context + 3))


@pytest.mark.parametrize(
    "pieces",
    [
        "norm=none", "norm=layer", "norm=rms", "activation=relu", "activation=none", "gate=true", "residual=true",
        "skips=true", "norm=rms,activation=silu,gate=true,residual=true,skips=true",
    ],
)  # fmt: skip
@pytest.mark.parametrize("tree", ["true", "false"])
def test_every_piece_of_a_level_is_what_it_says(tree, pieces, make_model, draw, assert_model_is):
    model = make_model(f"wavenet(embedding=3,hidden=4,{pieces},tree={tree})")
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, 11))


@pytest.mark.parametrize(("norm", "bias"), [("none", True), ("rms", True), ("layer", False), ("batch", False)])
def test_a_level_without_a_shift_of_its_norm_keeps_that_of_its_linear_layer(norm, bias, fresh_model):
    assert [level.linear.bias is not None for level in fresh_model(f"wavenet(norm={norm})").levels] == [bias] * 3


@pytest.mark.parametrize(("text", "scaled"), [("gain=3.0", "levels.1.linear.weight"), ("head_gain=0.3", "head.weight")])
def test_gains_scale_the_initial_weights(text, scaled, fresh_model):
    usual, other = (fresh_model(call).state_dict() for call in ("wavenet", f"wavenet({text})"))
    assert {name for name in usual if not torch.equal(usual[name], other[name])} >= {scaled}
    torch.testing.assert_close(other[scaled], 3 * usual[scaled])


@SIZES
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_tree_and_sliding_agree_in_evaluation_mode_after_training(n, context, dtype, tolerance, fresh_model, draw):
    sliding, tree = (
        fresh_model(f"wavenet(n={n},tree={tree})", context=context).to(dtype) for tree in ("false", "true")
    )
    optimizer = torch.optim.SGD(sliding.parameters(), lr=0.1)
    for step in range(5):
        tokens = draw(16, context + 4, vocab_size=27, seed=step)
        optimizer.zero_grad()
        cross_entropy(sliding(tokens[:, :-1]), tokens[:, 1:]).backward()
        optimizer.step()
    tree.load_state_dict(sliding.state_dict())
    tokens = draw(4, 3 * context, vocab_size=27, seed=9)
    assert sliding.levels[0].norm.running_mean.abs().max() > 0.01
    torch.testing.assert_close(sliding.eval()(tokens), tree.eval()(tokens), rtol=0, atol=tolerance)


def test_the_last_logits_are_those_of_the_tree_on_one_window(make_model, draw):
    model = make_model("wavenet")
    grouped = []
    model.group.register_forward_hook(lambda module, inputs, output: grouped.append((type(module), output.shape[1])))
    tokens = draw(3, 20)
    torch.testing.assert_close(model.last(tokens), model(tokens)[:, -1], rtol=1e-10, atol=1e-10)
    assert grouped == [(FlattenConsecutive, 4), (FlattenConsecutive, 2), (FlattenConsecutive, 1)]


def test_sliding_levels_are_dilated_by_powers_of_n(fresh_model):
    assert [slide.dilation for slide in fresh_model("wavenet(n=3)", context=27).slides] == [1, 3, 9]


def test_per_position_keeps_statistics_for_each_position_of_the_tree(fresh_model):
    levels = fresh_model("wavenet(tree=true,norm=per-position)").levels
    assert [tuple(level.norm.running_mean.shape) for level in levels] == [(4, 68), (2, 68), (1, 68)]


def test_per_position_without_the_tree_is_refused():
    with pytest.raises(ValidationError, match="norm=per-position needs tree=true"):
        WaveNet.Config(norm="per-position")


@pytest.mark.parametrize(("context", "n", "levels"), [(2, 2, 1), (8, 2, 3), (27, 3, 3), (16, 4, 2), (7, 7, 1)])
def test_levels_fuse_the_context_into_one(context, n, levels):
    assert levels_for(context, n) == levels


@pytest.mark.parametrize(("context", "n", "near"), [(6, 2, "4 or 8"), (8, 3, "3 or 9"), (1, 2, "2")])
def test_a_context_that_is_no_power_of_n_raises_with_the_numbers(context, n, near, fresh_model):
    with pytest.raises(UsageError, match=rf"\b{context}\b.* n={n}\b.* try a context of {near}, or another n"):
        fresh_model(f"wavenet(n={n})", context=context)


@pytest.mark.parametrize("tree", ["true", "false"])
@pytest.mark.parametrize(("embedding", "hidden", "parameters"), [(10, 68, 22_397), (24, 128, 76_579)])
def test_it_has_as_many_parameters_as_in_the_lecture(tree, embedding, hidden, parameters, fresh_model):
    model = fresh_model(f"wavenet(embedding={embedding},hidden={hidden},tree={tree})")
    assert count_parameters(model) == parameters
