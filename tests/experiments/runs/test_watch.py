"""`--watch` records signals and updates at every evaluation, and changes no number that is trained."""

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.experiments.runs import watch
from zoo.experiments.runs.watch import SignalWatch

TINY = ("--data", "words.txt", "--steps", "12", "--batch-size", "8", "--set", "evaluations=3", "--threads", "1")

RANDOM = """
import random

import numpy as np
from torch import nn

from zoo import SequenceModel


class Random(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        noise = random.random() + np.random.random() if self.training else 1.0
        return self.table(tokens) * noise
"""
FAILS = """
from torch import nn

from zoo import SequenceModel


class Fails(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        if self.training and tokens.shape[0] == 32:
            raise RuntimeError("no such rows")
        return self.table(tokens)
"""


@pytest.fixture
def text(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(
        "".join(f"{'abcdef'[n % 6]}{'fedcba'[n % 5]}{'abc'[n % 3]}\n" for n in range(90))
    )


def find(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"*/*/{name}"))


def outcome(folder: Path) -> list[Any]:
    """What a study trained: digests of weights and losses, and curves without times."""
    found: list[Any] = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for name in ("weights.safetensors", "losses.safetensors")
        for path in find(folder, name)
    ]
    for path in find(folder, "curve.jsonl"):
        found += [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]
    return found


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("wavenet(embedding=3,hidden=4)", ()),
        ("wavenet(embedding=3,hidden=4,dropout=0.3)", ()),
        ("transformer(channels=8,heads=2,layers=1)", ()),
        ("transformer(channels=8,heads=2,layers=1)", ("--set", "execution=stacked")),
        ("gru(embedding=3,hidden=4,dropout=0.2)", ()),
        ("./random_model.py:Random", ()),
    ],
)
def test_a_watched_run_is_the_same_to_the_last_bit(model, more, run_zoo, text, tmp_path):
    (tmp_path / "random_model.py").write_text(RANDOM)
    seeds = ("--seeds", "2") if more else ("--seeds", "1")
    for folder, flags in (("plain", ()), ("watched", ("--watch",))):
        done = run_zoo("compare", "--models", model, *seeds, *TINY, *more, "--out", folder, *flags)
        assert done.returncode == 0, done.stderr
    assert outcome(tmp_path / "plain") == outcome(tmp_path / "watched")
    names = [[path.parent.name for path in find(tmp_path / own, "result.json")] for own in ("plain", "watched")]
    assert names[0] == names[1], "a watched run is the same run"
    assert find(tmp_path / "plain", "signals.jsonl") == []
    for path in find(tmp_path / "watched", "signals.jsonl"):
        points = [json.loads(line) for line in path.read_text().splitlines()]
        assert [point["step"] for point in points] == [0, 4, 8, 12]
        assert [point["problem"] for point in points] == [""] * 4
        assert all(own["update"] for point in points[:-1] for own in point["weights"])
        assert all(own["update"] is None for own in points[-1]["weights"])


def test_the_update_is_what_the_next_step_adds_to_a_matrix(run_zoo, text, tmp_path, monkeypatch):
    seen: list[dict[str, torch.Tensor]] = []

    class Spy(SignalWatch):
        def evaluated(self, step: int) -> None:
            seen.append({name: weight.clone() for name, weight in self._matrices().items()})
            super().evaluated(step)

        def stepped(self) -> None:
            seen.append({name: weight.clone() for name, weight in self._matrices().items()})
            super().stepped()

    monkeypatch.setattr(watch, "SignalWatch", Spy)
    assert run_zoo("train", "mlp(embedding=2,hidden=3)", *TINY, "--watch").returncode == 0
    (path,) = find(tmp_path / "runs", "signals.jsonl")
    points = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(seen) == 2 * 4 - 1
    for number, point in enumerate(points[:-1]):
        before, after = seen[2 * number], seen[2 * number + 1]
        for own in point["weights"]:
            added = (after[own["name"]] - before[own["name"]]).double().numpy()
            assert own["update"] == pytest.approx(added.std() / before[own["name"]].double().numpy().std(), rel=1e-4)
            assert own["std"] == pytest.approx(before[own["name"]].double().numpy().std(), rel=1e-4)


def test_an_interrupted_run_keeps_what_was_seen(run_zoo, text, tmp_path, monkeypatch):
    command = ("train", "gru(embedding=3,hidden=4)", *TINY, "--set", "checkpoint_every=0.000001", "--watch", "--out")
    assert run_zoo(*command, "whole").returncode == 0
    look = SignalWatch.evaluated

    def stop(self: SignalWatch, step: int) -> None:
        look(self, step)
        if step == 8:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(SignalWatch, "evaluated", stop)
        patch.setattr("zoo.experiments.runs.checkpoints.MOST", 1e6)
        assert run_zoo(*command, "parts").returncode == 75
    assert run_zoo(*command, "parts").returncode == 0
    assert outcome(tmp_path / "whole") == outcome(tmp_path / "parts")
    (path,) = find(tmp_path / "parts", "signals.jsonl")
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 4, 8, 12]


def test_a_model_that_cannot_be_watched_trains_and_says_why(run_zoo, zoo_json, text, tmp_path):
    (tmp_path / "fails.py").write_text(FAILS)
    found = zoo_json("compare", "--models", "./fails.py:Fails", "--seeds", "1", *TINY, "--watch")
    assert found["runs"][0]["status"] == "finished"
    told = [note["text"] for note in found["notes"] if note["kind"] == "watch"]
    assert any("Fails could not be watched at some evaluation: RuntimeError: no such rows" in text for text in told)


def test_a_run_that_was_trained_without_is_named(run_zoo, zoo_json, text):
    command = ("--models", "bow(hidden=3)", "--seeds", "1", *TINY)
    zoo_json("compare", *command)
    found = zoo_json("compare", *command, "--watch")
    assert found["watched"] == []
    assert [note["text"] for note in found["notes"] if note["kind"] == "watch"] == [
        "Trained before without --watch, so without signals: bow(hidden=3). --fresh trains again."
    ]
    for _ in range(2):
        told = " ".join(run_zoo("train", "bow(hidden=3)", *TINY, "--watch").stdout.split())
        assert "so without signals: bow(hidden=3). --fresh trains again." in told
    fresh = zoo_json("compare", *command, "--watch", "--fresh")
    assert [own["label"] for own in fresh["watched"]] == ["bow(hidden=3)"]


def test_pages_draw_the_signals(run_zoo, text, tmp_path):
    done = run_zoo("compare", "--models", "mlp(embedding=2,hidden=3),bow(hidden=3)", "--seeds", "1", *TINY, "--watch")
    assert "Watching took, beside training" in " ".join(done.stdout.split())
    (page,) = (tmp_path / "runs").glob("*/report.html")
    assert "watch-updates" in page.read_text()
    assert run_zoo("report", str(next(page.parent.glob("mlp*seed1-*")))).returncode == 0
    own = next(page.parent.glob("mlp*seed1-*.html")).read_text()
    assert all(f'id="{name}"' in own for name in ("updates", "gradients", "saturation"))
    assert "Watching took" in own


def test_a_damaged_record_of_signals_is_named(run_zoo, text, tmp_path):
    assert run_zoo("train", "bigram", *TINY, "--watch").returncode == 0
    (path,) = find(tmp_path / "runs", "signals.jsonl")
    path.write_text("{}\n")
    done = run_zoo("report", str(path.parent))
    assert (done.returncode, "signals.jsonl" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    checked = run_zoo("verify", str(path.parent))
    assert (checked.returncode, "signals.jsonl" in checked.stdout) == (1, True)


def test_verify_finds_an_evaluation_without_its_signals(run_zoo, text, tmp_path):
    assert run_zoo("train", "bigram", *TINY, "--watch").returncode == 0
    (path,) = find(tmp_path / "runs", "signals.jsonl")
    assert run_zoo("verify", str(path.parent)).returncode == 0
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    done = run_zoo("verify", str(path.parent))
    assert (done.returncode, "steps of the signals" in done.stdout) == (1, True)
