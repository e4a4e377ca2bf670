"""Incomplete FLOPs and changed buffers are reported wherever FLOPs and parameters are."""

import json
from pathlib import Path

import pytest

from zoo.reports.numbers import short

MODEL = """
import torch
from torch import nn

from zoo import SequenceModel


class Disguised(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 16)
        self.weight = nn.Parameter(torch.randn(16, 16) / 4)
        self.head = nn.Linear(16, vocab_size)
        self.register_buffer("counts", torch.zeros(vocab_size, 500))

    def forward(self, tokens):
        if self.training:
            self.counts[tokens.flatten(), 0] += 1
        x = self.embedding(tokens)
        return self.head(torch.tanh((x.unsqueeze(-1) * self.weight).sum(-2)))


class Many(Disguised):
    def forward(self, tokens):
        if self.training and len(tokens) < 5:
            raise NotImplementedError("too few rows")
        return self.head(self.embedding(tokens))
"""
SMALL = ["--data", "words.txt", "--batch-size", "8"]


@pytest.fixture
def folder(tmp_path: Path, words: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODEL)
    return tmp_path


def test_flops_that_are_not_all_and_counts_beside_the_parameters_are_told_and_verified(run_zoo, folder):
    models = "mine.py:Disguised,mlp(hidden=16)"
    done = run_zoo("compare", "--models", models, *SMALL, "--flops", "300k", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "Disguised: FLOPs are at least those that were counted, without elementwise arithmetic" in said
    assert "Disguised: training changes 3,500 numbers beside its parameters" in said
    assert "mlp(hidden=16): FLOPs" not in said
    (study,) = (folder / "runs").iterdir()
    models = {row["label"]: row for row in json.loads((study / "comparison.json").read_text())["models"]}
    mine, mlp = models["Disguised"], models["mlp(hidden=16)"]
    assert mine["used"]["flops_uncounted"] == mine["cost"]["flops_uncounted"] == ["elementwise arithmetic"]
    assert (mine["buffers"], mine["cost"]["buffers"], mlp["buffers"]) == (3500, 3500, 32)
    document = (study / "report.md").read_text()
    assert f"| ≥ {short(mine['used']['flops'])} |" in document
    assert f"| ≥ {short(mine['cost']['flops_training'])} |" in document
    assert "≥" in (study / "report.html").read_text()
    verified = run_zoo("verify", str(study))
    assert verified.returncode == 0, verified.stdout
    run = next(path for path in study.glob("Disguised-seed1-*/result.json"))
    result = json.loads(run.read_text())
    for changed in ({"buffers": 0}, {"flops_uncounted": []}):
        run.write_text(json.dumps(result | changed))
        assert next(iter(changed)).split("_")[0].lower() in run_zoo("verify", str(run.parent)).stdout.lower()


def test_a_budget_in_steps_needs_no_word_on_flops_in_the_table(run_zoo, folder):
    done = run_zoo("train", "mine.py:Disguised", *SMALL, "--steps", "2")
    assert "FLOPs" not in done.stdout
    assert "3,500 numbers" in done.stdout


def test_a_run_whose_flops_cannot_be_counted_is_kept_and_a_budget_of_them_is_refused(run_zoo, folder):
    done = run_zoo("compare", "--models", "mine.py:Many", *SMALL, "--steps", "2", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    (study,) = (folder / "runs").iterdir()
    assert "FLOPs cannot be counted: NotImplementedError: too few rows." in (study / "report.md").read_text()
    done = run_zoo("train", "mine.py:Many", *SMALL, "--flops", "1M")
    assert done.returncode == 2
    assert "FLOPs of model 'mine.py:Many' cannot be counted: NotImplementedError: too few rows" in done.stderr
