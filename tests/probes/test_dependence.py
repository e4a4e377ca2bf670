"""Checks of `train` and `compare` before training: the dependence of a model's logits."""

import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.models.interface import SequenceModel
from zoo.probes.dependence import AHEAD, DRAWS, KEEPS, MIXES, describe_dependence
from zoo.probes.future import mask_future, replace_future


class Sound(SequenceModel):
    """A recurrence; subclasses replace or extend it."""

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 8)
        self.rnn = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, vocab_size)

    def mix(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return self.rnn(x)[0]

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.mix(self.embedding(tokens)))


class Both(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x) + super().mix(x.flip(1)).flip(1)


class PeeksInLargeBatches(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x) + (x.mean(dim=1, keepdim=True) if len(x) >= 32 else 0)


class AheadAndAside(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x) + x.mean(dim=(0, 1))


class TimeFirst(Sound):
    """The recurrence runs over rows, because batch_first is missing."""

    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x.transpose(0, 1)).transpose(0, 1)


class Statistics(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x) - x.mean(dim=0)


class Dropout(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return F.dropout(super().mix(x), 0.1)


class PythonsRandomNumbers(Sound):
    def mix(self, x: Tensor) -> Tensor:
        return super().mix(x) * random.random()


class Stateful(Sound):
    """Keeps the hidden vectors of a batch for the next."""

    hidden: Tensor | None = None

    def mix(self, x: Tensor) -> Tensor:
        fits = self.hidden is not None and self.hidden.shape[1] == len(x)
        y, self.hidden = self.rnn(x, self.hidden if fits else None)
        return y


class Memory(Sound):
    """Remembers rows by their first tokens, and predicts their last tokens when these come again."""

    def forward(self, tokens: Tensor) -> Tensor:
        known = self.__dict__.setdefault("known", {})
        logits = super().forward(tokens)
        for row, given in zip(logits, tokens.tolist(), strict=True):
            if given[0] in known:
                row[-2, known[given[0]]] += 3
            known[given[0]] = given[-1]
        return logits


class GrowingTable(Sound):
    """A buffer of positions, extended for longer rows; its filled length is a plain attribute."""

    filled = 0

    def __init__(self, config: Any, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.register_buffer("table", torch.zeros(64, 8), persistent=False)

    def mix(self, x: Tensor) -> Tensor:
        if self.filled < x.shape[1]:
            self.filled = x.shape[1]
            self.table[: self.filled] = torch.arange(self.filled).unsqueeze(1).sin()
        return super().mix(x + self.table[: x.shape[1]])


def seen(kind: type[Sound], rows: int) -> str | None:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(kind.Config(), vocab_size=11, context=4).eval()
        return describe_dependence(model, torch.randint(11, (rows, 5)))


@pytest.mark.parametrize("rows", [4, 40])
@pytest.mark.parametrize("kind", [Sound, GrowingTable])
def test_a_sound_model_sees_nothing_that_it_must_not(kind: type[Sound], rows: int) -> None:
    assert seen(kind, rows) is None


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Both, AHEAD),
        (PeeksInLargeBatches, AHEAD),
        (AheadAndAside, AHEAD),
        (TimeFirst, MIXES),
        (Statistics, MIXES),
        (Dropout, DRAWS),
        (PythonsRandomNumbers, DRAWS),
        (Stateful, KEEPS),
        (Memory, KEEPS),
    ],
)
def test_what_a_model_sees_is_told_by_its_own_name(kind: type[Sound], told: str) -> None:
    found = seen(kind, 40)
    assert found is not None
    assert found.endswith(told)
    assert ("not deterministic" in found) == (told in (DRAWS, KEEPS))


def test_a_row_is_cut_at_a_place_of_its_own() -> None:
    tokens, others = torch.zeros(3, 4, dtype=torch.long), torch.ones(3, 4, dtype=torch.long)
    places = torch.tensor([0, 2, 3])
    assert replace_future(tokens, others, places).tolist() == [[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert mask_future(torch.ones(3, 4, 2), places).sum(dim=(1, 2)).tolist() == [2, 6, 8]
