"""Optimizers on the command line, and what a model says of its own."""

from pathlib import Path

import pytest

LIGHTNING = """
import torch
from torch import nn
from zoo import SequenceModel

class Lightning(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.zeros_(self.table.weight)

    @property
    def receptive_field(self):
        return 1

    def forward(self, tokens):
        return self.table(tokens)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
"""
GROUPS = LIGHTNING.replace("def configure_optimizers(self):", "def parameter_groups(self):").replace(
    "return torch.optim.SGD(self.parameters(), lr=0.1)", "return {'tabel.*': {'rate': 2.0}}"
)
SHORT = ("--data", "invented(documents=200)", "--steps", "2", "--device", "cpu")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("train", *SHORT), marks=pytest.mark.slow),
        ("train", *SHORT, "--dry-run"),
        pytest.param(("compare", *SHORT, "--dry-run"), marks=pytest.mark.slow),
        pytest.param(("check",), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_an_optimizer_that_a_model_configures_is_told_as_ignored_in_one_line(words, run_zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lit.py").write_text(LIGHTNING)
    command, *others = words
    models = ["--models", "bigram,./lit.py:Lightning"] if command == "compare" else ["./lit.py:Lightning"]
    done = run_zoo(command, *models, *others)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert " ".join(text.split()).count("configure_optimizers is ignored: choose --optimizer") == 1


@pytest.mark.parametrize("words", [("train", *SHORT), ("check",)], ids=str)
def test_parameter_groups_that_match_nothing_are_told_before_training(words, run_zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("lit.py").write_text(GROUPS)
    done = run_zoo(words[0], "./lit.py:Lightning", *words[1:])
    assert done.returncode != 0
    assert "'tabel.*', which no parameter matches" in " ".join((done.stdout + done.stderr).split())
    assert not list(Path().glob("runs/*/*/weights*"))


def test_muon_goes_all_the_way_and_its_record_is_verified(run_zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_zoo("train", "mlp(hidden=8)", *SHORT, "--optimizer", "muon(momentum=0.9)")
    assert done.returncode == 0, done.stderr
    (run,) = {path.parent for path in Path("runs").rglob("result.json")}
    assert '"optimizer": "muon(momentum=0.9)"' in (run / "config.json").read_text()
    assert run_zoo("verify", str(run)).returncode == 0


def test_a_table_says_that_rates_of_recipes_were_found_for_another_optimizer(run_zoo) -> None:
    words = ("compare", "--models", "bow", "--seeds", "1", "--steps", "4", "--data", "invented(documents=60)")
    assert "recipe, found for adamw and used with muon(momentum=0.9): 0.01" in " ".join(
        run_zoo(*words, "--optimizer", "muon(momentum=0.9)").stdout.split()
    )
    assert "found for adamw" not in run_zoo(*words).stdout
