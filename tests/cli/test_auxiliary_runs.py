"""A model with an auxiliary loss in `train` and `compare`: what is recorded, said and drawn beside the losses."""

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

MODELS = """
import torch
from torch import nn

from zoo import SequenceModel


class Plain(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)

    def forward(self, tokens):
        return self.table(tokens)


class Adds(Plain):
    def auxiliary_loss(self):
        return 0.5 + 1e-3 * self.table.weight.square().mean()


class Breaks(Plain):
    def __init__(self, config, **sizes):
        super().__init__(config, **sizes)
        self.register_buffer("first", self.table.weight.detach().clone())

    def auxiliary_loss(self):
        weight = self.table.weight
        return weight.square().mean() * torch.where((weight.detach() == self.first).all(), 1, torch.inf)


class Wrong(Plain):
    def auxiliary_loss(self):
        return self.table.weight
"""
SHORT = ("--data", "words.txt", "--steps", "4", "--batch-size", "8", "--set", "evaluations=2", "--threads", "1")


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, words: Path) -> None:
    (tmp_path / "mine.py").write_text(MODELS)


def curve_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


def test_train_records_and_says_what_was_added(run_zoo, tmp_path: Path) -> None:
    done = run_zoo("train", "./mine.py:Adds", *SHORT)
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.splitlines()[-1]
    first, *later = curve_of(run)
    assert "auxiliary_loss" not in first
    assert all(0.5 < point["auxiliary_loss"] < 0.51 for point in later)
    assert "Adds trains on an auxiliary loss too, 0.5" in done.stdout
    assert "and in training an auxiliary loss of 0.5" in done.stderr
    words = "It trained on an auxiliary loss too, 0.5"
    assert words in unescape(Path(f"{run}.html").read_text())
    assert words in run_zoo("report", str(run)).stdout
    titles, start, *_ = run_zoo("report", str(run), "--csv").stdout.splitlines()
    assert titles.endswith("validation_loss,auxiliary_loss,unit")
    assert start.endswith(",,nats per token")
    assert run_zoo("verify", str(run)).stdout.endswith(": ok\n")


@pytest.mark.slow
def test_a_comparison_notes_it_and_other_records_stay_as_they_were(run_zoo, zoo_json, tmp_path: Path) -> None:
    asked = ("compare", "--models", "./mine.py:Plain,./mine.py:Adds", "--seeds", "2", *SHORT)
    done = run_zoo(*asked, "--set", "execution=sequential")
    assert done.returncode == 0, done.stderr
    assert "Adds trains on an auxiliary loss too, 0.5" in done.stdout
    document = zoo_json(*asked, "--set", "execution=sequential")
    rows = {row["label"]: row for row in document["models"]}
    assert rows["Plain"]["auxiliary"] is None
    assert 0.5 < rows["Adds"]["auxiliary"] < 0.51
    for row in document["runs"]:
        points = curve_of(tmp_path / row["directory"])
        if row["label"] == "Plain":
            assert {*points[1]} == {"step", "tokens", "seconds", "train_loss", "validation_loss"}
        else:
            assert points[1]["train_loss"] == pytest.approx(points[0]["validation_loss"], abs=0.5), "without the 0.5"


def test_a_run_whose_auxiliary_loss_is_not_finite_diverges_and_says_so(run_zoo, tmp_path: Path) -> None:
    done = run_zoo("train", "./mine.py:Breaks", *SHORT)
    assert done.returncode == 1
    assert "Breaks seed 1: diverged at step 2, its auxiliary loss was no finite number; last finite" in done.stderr
    (run,) = (tmp_path / "runs").glob("*/Breaks-seed1-*/")
    result = json.loads((run / "result.json").read_text())
    assert (result["status"], result["reason"]) == ("diverged", "its auxiliary loss was no finite number")
    assert (
        "Training stopped after 2 steps: its auxiliary loss was no finite number at step 2."
        in run_zoo("report", str(run)).stdout
    )
    assert run_zoo("verify", str(run)).stdout.endswith(": ok\n")


def test_what_is_no_loss_is_refused_before_training(run_zoo) -> None:
    done = run_zoo("train", "./mine.py:Wrong", *SHORT)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "Model './mine.py:Wrong' gives an auxiliary loss that is float32 of shape" in line
    assert "return a scalar" in line
