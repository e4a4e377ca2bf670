"""Fixtures of the fault tests: a small text, and short probes."""

import random
from pathlib import Path

import pytest


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """Sixty made-up words, one per line, in words.txt."""
    draw, path = random.Random(0), tmp_path / "words.txt"
    path.write_text("".join("".join(draw.choices("abcdef", k=5)) + "\n" for _ in range(60)))
    return path


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the probes, of speed to one step per turn and of FLOPs to two batches: no test here is about them."""
    monkeypatch.setattr("zoo.experiments.runs.timing.SECONDS_A_TURN", 0.0)
    monkeypatch.setattr("zoo.experiments.runs.cost.FLOP_BATCHES", 2)
