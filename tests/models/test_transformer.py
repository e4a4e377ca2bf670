"""The Transformer against a naive one that reads the same parameters."""

import math

import pytest
import torch
from pieces import plain_norm, plain_unit
from torch import Tensor

from zoo.models.build import count_parameters
from zoo.models.transformer import ROOM


def turned(vector: Tensor, t: int) -> Tensor:
    """Rotate pairs (i, i + D/2) as complex numbers by a phase."""
    half = len(vector) // 2
    phase = torch.tensor([t * 10_000.0 ** (-i / half) for i in range(half)], dtype=vector.dtype)
    z = torch.complex(vector[:half], vector[half:]) * torch.polar(torch.ones_like(phase), phase)
    return torch.cat([z.real, z.imag])


def attend(block, x: list[Tensor], *, heads: int, rotary: bool) -> list[Tensor]:
    """The output of attention at every position."""
    projected = [block.mixer.qkv(vector).chunk(3) for vector in x]
    split = [[part.chunk(heads) for part in parts] for parts in projected]  # position, (q, k, v), head
    added = []
    for t in range(len(x)):
        mixed = []
        for h in range(heads):
            scores = []
            for s in range(t + 1):
                q, k = split[t][0][h], split[s][1][h]
                if rotary:
                    q, k = turned(q, t), turned(k, s)
                scores.append(q @ k / math.sqrt(len(q)))
            weights = torch.stack(scores).exp()
            weights = weights / weights.sum()
            mixed.append(sum(weight * split[s][2][h] for s, weight in enumerate(weights)))
        added.append(block.mixer.out(torch.cat(mixed)))
    return added


def naive(model, tokens: Tensor) -> Tensor:
    """(B, T) -> (B, T, V), by loops over rows and positions."""
    options, kept = model.config, float(model.config.residual)
    rows = []
    for row in tokens.tolist():
        x = [model.embedding.weight[token] for token in row]
        if options.positions == "learned":
            table = model.positions.weight
            x = [vector + table[min(t, len(table) - 1)] for t, vector in enumerate(x)]
        for block in model.blocks:
            normed = [plain_norm(vector, block.norm1) for vector in x]
            added = attend(block, normed, heads=options.heads, rotary=options.positions == "rotary")
            x = [kept * vector + more for vector, more in zip(x, added, strict=True)]
            units = [plain_unit(block.up(plain_norm(vector, block.norm2)), options, gate="none") for vector in x]
            x = [kept * vector + block.down(unit) for vector, unit in zip(x, units, strict=True)]
        rows.append(torch.stack([model.head(plain_norm(vector, model.norm)) for vector in x]))
    return torch.stack(rows)


PIECES = [
    "norm=none", "norm=rms", "activation=relu", "gate=true", "activation=silu,gate=true", "residual=false",
    "positions=none", "positions=learned,places=6",
]  # fmt: skip


@pytest.mark.parametrize("options", ["", "tied=true,", "heads=1,mlp=2,", *(f"{piece}," for piece in PIECES)])
def test_it_is_a_pre_norm_decoder(options, make_model, draw, assert_model_is):
    model = make_model(f"transformer({options}channels=8)")
    assert_model_is(model, lambda tokens: naive(model, tokens), draw(2, 9))


def test_tied_weights_are_one_matrix(fresh_model):
    tied, untied = fresh_model("transformer(tied=true)"), fresh_model("transformer")
    assert tied.head.weight is tied.embedding.weight
    assert count_parameters(untied) - count_parameters(tied) == 27 * 32


def test_the_last_learned_position_serves_all_after_it(make_model):
    model = make_model("transformer(positions=learned,places=3,layers=1)")  # a second layer sees order through the mask

    def last(*row: int) -> Tensor:
        return model(torch.tensor([row]))[0, -1]

    torch.testing.assert_close(last(1, 2, 3, 4, 5, 6), last(1, 2, 5, 4, 3, 6))
    assert not torch.allclose(last(1, 2, 3, 4, 5, 6), last(2, 1, 3, 4, 5, 6))


def test_depth_does_not_grow_the_initial_stream(fresh_model, draw):
    tokens = draw(8, 16, vocab_size=27)
    shallow, deep = (
        model.blocks(model.embedding(tokens)).std().item()
        for model in (fresh_model("transformer(layers=1)"), fresh_model("transformer(layers=12)"))
    )
    assert deep == pytest.approx(shallow, rel=0.3)


def test_dropout_acts_in_training_alone(make_model, draw):
    model, tokens = make_model("transformer(dropout=0.5)"), draw(2, 9)
    assert torch.equal(model(tokens), model(tokens))
    model.train()
    assert not torch.equal(model(tokens), model(tokens))


@pytest.mark.parametrize("text", ["transformer", "transformer(positions=learned,places=50)"])
def test_a_stream_goes_on_beyond_the_room_of_its_cache(text, make_model, draw):
    model, tokens = make_model(text), draw(2, 3 * ROOM)
    logits, state = model.prefill(tokens[:, : ROOM - 1], model.begin(2))
    for t in range(ROOM - 1, 2 * ROOM + 1):
        torch.testing.assert_close(logits, model(tokens[:, :t])[:, -1], rtol=0, atol=1e-10)
        logits, state = model.step(tokens[:, t], state)
    logits, _ = model.prefill(tokens[:, 2 * ROOM + 1 :], state)
    torch.testing.assert_close(logits, model(tokens)[:, -1], rtol=0, atol=1e-10)
