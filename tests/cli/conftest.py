"""Fixtures of the command-line tests: a small corpus, and two small runs."""

import random
import string
from pathlib import Path

import pytest

WORDS = 60


def write_words(path: Path, count: int = WORDS) -> Path:
    """Write `count` made-up words, one per line."""
    draw = random.Random(0)
    path.write_text("".join("".join(draw.choices(string.ascii_lowercase[:6], k=5)) + "\n" for _ in range(count)))
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    return write_words(tmp_path / "words.txt")


MINE = """
from torch import nn

from zoo import SequenceModel


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.table(tokens)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A model in a user's file."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the probes, of speed to one step per turn and of FLOPs to two batches: no test here is about them."""
    monkeypatch.setattr("zoo.experiments.runs.timing.SECONDS_A_TURN", 0.0)
    monkeypatch.setattr("zoo.experiments.runs.cost.FLOP_BATCHES", 2)
