"""Optimizers on the command line, and what a model says of its own."""

import json
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


TWO = """
import zoo
from zoo.config import Recipe
from zoo.models.bow import BagOfWords


class Two(BagOfWords):
    recipe = Recipe(optimizer="adamw", lr=0.01, targets=100)
    other_recipes = (
        Recipe(optimizer="muon(momentum=0.9)", lr=0.02, targets=20_000),
        Recipe(optimizer="adamw", lr=0.03, weight_decay=0.5, warmup=0.0, targets=20_000),
    )
"""


@pytest.mark.parametrize(
    ("words", "optimizer", "lr", "noted"),
    [
        (["--train-tokens", "150"], "adamw", 0.01, ""),
        (["--train-tokens", "3000"], "muon(momentum=0.9)", 0.02, "found for 20,000 targets"),
        (["--train-tokens", "8000"], "muon(momentum=0.9)", 0.02, ""),
        (["--train-tokens", "8000", "--optimizer", "adamw(beta1=0.8)"], "adamw(beta1=0.8)", 0.03, ""),
        (["--train-tokens", "150", "--optimizer", "muon"], "muon", 0.02, "found for 20,000 targets"),
        (["--seconds", "0.1"], "adamw", 0.01, "found for 100 targets"),
    ],
    ids=str,
)
def test_a_run_takes_the_recipe_for_its_optimizer_and_the_nearest_budget(
    words, optimizer, lr, noted, zoo_json, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.py").write_text(TWO)
    common = ("--seeds", "1", "--batch-size", "8", "--data", "invented(documents=60)")
    document = zoo_json("compare", "--models", "./two.py:Two", *common, *words)
    (row,) = document["models"]
    assert (row["optimizer"], row["lr"], row["lr_from"]) == (optimizer, lr, "recipe")
    notes = [note["text"] for note in document["notes"] if note["kind"] == "recipe"]
    assert [noted in note for note in notes] == [True] * bool(noted)
    (config,) = Path("runs").rglob("config.json")
    assert json.loads(config.read_text())["recipe"]["lr"] == lr


def test_a_table_names_the_optimizer_of_each_model(run_zoo, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.py").write_text(TWO)
    common = ("--seeds", "1", "--batch-size", "8", "--data", "invented(documents=60)", "--train-tokens", "8000")
    table = " ".join(run_zoo("compare", "--models", "bigram,two.py:Two", *common).stdout.split())
    assert "optimizer muon(momentum=0.9) (Two), adamw (bigram); learning rate from each model's recipe" in table


def test_a_table_says_that_a_recipe_was_found_for_another_optimizer(run_zoo) -> None:
    words = ("compare", "--models", "bigram", "--seeds", "1", "--steps", "4", "--data", "invented(documents=60)")
    shown = run_zoo(*words, "--optimizer", "muon(momentum=0.9)").stdout
    assert "Recipes found for adamw and used with muon: bigram." in " ".join(shown.split())
    assert "found for adamw" not in run_zoo(*words).stdout


def test_a_description_lists_every_recipe(run_zoo, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.py").write_text(TWO)
    shown = run_zoo("describe", "two.py:Two").stdout
    assert "muon(momentum=0.9), lr 0.02, weight decay 0.01, warm-up 0.05, for 20k targets" in " ".join(shown.split())
    assert shown.count(" targets") == 3
