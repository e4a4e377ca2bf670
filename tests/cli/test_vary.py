"""`--vary`: seeds differ in initial weights, in the draws of training, or in both."""

from pathlib import Path

import pytest

from zoo.experiments.records.study import describe_study
from zoo.experiments.study.parse import make_study

STARTS = """
import torch
from torch import nn
from zoo import SequenceModel

class Drops(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, 8)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8, vocab_size)

    def forward(self, tokens):
        return self.head(self.drop(self.table(tokens)))

class DropsFromOneStart(Drops):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.1)
        self.table.weight.data[:] = torch.linspace(-1, 1, vocab_size * 8).view(vocab_size, 8)
"""
SMALL = ("--data", "invented(documents=60)", "--batch-size", "8", "--steps", "6", "--set", "evaluations=1")


def study_of(**settings: object) -> dict[str, object]:
    return {"models": ["bow", "mlp"], "data": {}, "seeds": [4, 5, 6], **settings}


@pytest.fixture
def losses(zoo_json, tmp_path: Path):
    """Return the losses of three seeds before and after training, for a model of the file and a value of `--vary`."""
    (tmp_path / "starts.py").write_text(STARTS)

    def read(model: str, vary: str) -> tuple[list[float], list[float], dict]:
        document = zoo_json("compare", "--models", f"./starts.py:{model}", "--vary", vary, *SMALL)
        curves = [tmp_path / run["directory"] / "curve.jsonl" for run in document["runs"]]
        firsts = [curve.read_text().splitlines()[0] for curve in curves]
        before = [float(line.partition('"validation_loss":')[2].strip(" }").partition(",")[0]) for line in firsts]
        return before, [run["test_loss"] for run in document["runs"]], document

    return read


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "vary", "starts", "ends"),
    [
        ("Drops", "both", 3, 3),
        ("Drops", "data", 1, 3),
        ("Drops", "weights", 3, 3),
        ("DropsFromOneStart", "both", 1, 3),
        ("DropsFromOneStart", "weights", 1, 1),
    ],
)
def test_what_does_not_vary_is_the_same_under_every_seed(model: str, vary: str, starts: int, ends: int, losses) -> None:
    before, after, _ = losses(model, vary)
    assert (len(set(before)), len(set(after))) == (starts, ends)


@pytest.mark.slow
def test_a_comparison_says_what_its_interval_covers_and_verifies(losses, run_zoo) -> None:
    *_, document = losses("Drops", "data")
    (note,) = [note["text"] for note in document["notes"] if note["kind"] == "seeds"]
    assert "every run starts from the initial weights of seed 1" in note
    assert {line.rpartition(": ")[2] for line in run_zoo("verify", "runs").stdout.splitlines()} == {"ok"}
    compared = run_zoo("compare", "--models", "./starts.py:Drops,bigram", "--vary", "data", *SMALL).stdout
    assert "3 seeds of data order alone" in " ".join(compared.split())
    assert "for new orders of the data and new documents" in " ".join(compared.split())


def test_one_seed_of_a_run_is_the_first_where_only_the_other_varies() -> None:
    runs = {vary: make_study({}, study_of(vary=vary)).runs() for vary in ("both", "data", "weights")}
    seeds = {vary: {(run.seed, run.init_seed, run.batch_seed) for run in own} for vary, own in runs.items()}
    assert seeds["both"] == {(4, 4, 4), (5, 5, 5), (6, 6, 6)}
    assert seeds["data"] == {(4, 4, 4), (5, 4, 5), (6, 4, 6)}
    assert seeds["weights"] == {(4, 4, 4), (5, 5, 4), (6, 6, 4)}


def test_a_study_that_varies_both_is_the_one_without_the_option() -> None:
    usual, both = (make_study({}, study_of(**given)) for given in ({}, {"vary": "both"}))
    assert usual == both
    assert "vary" not in describe_study(both)
    assert {(run.weights_seed, run.data_seed) for run in both.runs()} == {(None, None)}
    assert describe_study(make_study({}, study_of(vary="data")))["vary"] == "data"


def test_a_single_seed_has_nothing_to_vary() -> None:
    (run,) = make_study({}, {"models": ["bow"], "data": {}, "seeds": [4], "vary": "data"}).runs()
    assert (run.weights_seed, run.data_seed) == (None, None)
