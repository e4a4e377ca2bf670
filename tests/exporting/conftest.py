"""Fixtures of the tests of exports: runs of small models, and the lines of a card."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import zoo
from zoo.results import TrainedRun

SMALL = {
    "bow": "bow(embedding=4,hidden=8)",
    "mlp": "mlp(embedding=4,hidden=8)",
    "wavenet": "wavenet(embedding=4,hidden=8)",
    "dilated-wavenet": "dilated-wavenet(channels=4,skip=8)",
    "rnn": "rnn(embedding=4,hidden=8)",
    "gru": "gru(embedding=4,hidden=8,layers=2)",
    "lstm": "lstm(embedding=4,hidden=8)",
    "transformer": "transformer(channels=8,heads=2,layers=1)",
    "gla": "gla(channels=8,heads=2,layers=1)",
    "delta-net": "delta-net(channels=8,heads=2,layers=1)",
    "mamba": "mamba(channels=8,state=2,layers=1)",
    "rg-lru": "rg-lru(channels=8,heads=2,layers=1)",
    "mlstm": "mlstm(channels=8,heads=2,layers=1)",
    "min-gru": "min-gru(channels=8,layers=1)",
    "hybrid": "hybrid(pattern=min-gru/local-attention,channels=8,heads=2,window=4)",
    "kneser-ney": "kneser-ney(order=3)",
}
"""Name -> a small model of it; a model without options is small."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TrainedRun]:
    """Train a small model of a name for two steps, once."""
    folder = tmp_path_factory.mktemp("trained")

    @cache
    def train(name: str) -> TrainedRun:
        call = SMALL.get(name, name)
        quiet = {"report": False, "progress": False}
        return zoo.train(call, data="invented(documents=200)", steps=2, context=4, threads=1, out=folder, **quiet)

    return train


@pytest.fixture
def run_card(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    """Run the lines of a card in its folder, and return what they print."""

    def run(card: Path) -> str:
        (lines,) = re.findall(r"```python\n(.*?)```", card.read_text(encoding="utf-8"), re.DOTALL)
        monkeypatch.chdir(card.parent)
        capsys.readouterr()
        exec(compile(lines, str(card), "exec"), {})
        return capsys.readouterr().out

    return run
