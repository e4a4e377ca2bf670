"""Fixtures of the tracker tests: a small study, and a tracker that writes lines."""

from pathlib import Path

import pytest
from lines_tracker import LINES

import zoo


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison of two models under two seeds, of which the signals were watched."""
    out = tmp_path_factory.mktemp("studies")
    settings = {"data": "invented(documents=200)", "steps": 12, "watch": True}
    with pytest.MonkeyPatch.context() as patch:  # no test here is about speeds and FLOPs
        patch.setattr("zoo.experiments.runs.timing.SECONDS_A_TURN", 0.0)
        patch.setattr("zoo.experiments.runs.cost.FLOP_BATCHES", 2)
        return zoo.compare(["bigram", "mlp"], seeds=2, out=out, progress=False, **settings).directory


@pytest.fixture
def lines(tmp_path: Path) -> str:
    """A tracker in a user's file."""
    (tmp_path / "lines.py").write_text(LINES)
    return "./lines.py:Lines"
