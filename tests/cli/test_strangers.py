"""An error in a user's model shows only its message and the user's own lines."""

import json

import pytest
import torch

import zoo
from zoo.errors import UsageError

MODEL = """
import torch
from pydantic import Field
from torch import nn

from zoo import ModelOptions, SequenceModel


class Mine(SequenceModel):
    class Config(ModelOptions):
        {config}

    def __init__({signature}):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        {init}

    def forward(self, tokens):
        {forward}
        return self.table(tokens)
"""
SOUND = {"config": "pass", "signature": "self, config, *, vocab_size, context", "init": "pass", "forward": "pass"}


@pytest.fixture
def say(run_zoo, tmp_path):
    """Return the output of `train` for the model with some of its lines replaced."""

    def run(*words: str, **lines: str) -> list[str]:
        (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, **lines}))
        done = run_zoo("train", "./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "3", *words)
        assert done.returncode in (1, 2)
        assert done.stdout == ""
        return [line for line in done.stderr.splitlines() if not line.startswith("invented:")]

    return run


def test_a_mistake_in_forward_is_told_with_its_line_alone(say):
    first, line = say(forward="tokens = tokens + torch.zeros(3, dtype=torch.long)")
    assert first.startswith("Error: Model './mine.py:Mine' failed on tokens of shape (2, 5): RuntimeError: The size")
    assert line == "  mine.py, line 19, in forward: tokens = tokens + torch.zeros(3, dtype=torch.long)"


def test_a_mistake_in_init_is_told_with_its_line_alone(say):
    first, line = say(init="self.head = nn.Linear(config.width, 3)")
    assert first.startswith("Error: Model 'Mine' failed to start (V=")
    assert "AttributeError: 'Config' object has no attribute 'width'" in first
    assert line == "  mine.py, line 16, in __init__: self.head = nn.Linear(config.width, 3)"


def test_a_mistake_that_only_training_makes_is_told_and_its_run_has_failed(run_zoo, tmp_path):
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, "forward": "assert len(tokens) < 100, 'too many rows'"}))
    done = run_zoo("train", "./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "3")
    assert done.returncode == 1
    _, first, line = done.stderr.splitlines()
    assert first == "Mine seed 1: failed. Model './mine.py:Mine' failed in training: AssertionError: too many rows"
    assert line.startswith("  mine.py, line 19, in forward")
    (result,) = tmp_path.glob("runs/*/*/result.json")
    assert json.loads(result.read_text())["status"] == "failed"


def test_an_init_that_does_not_take_the_sizes_is_told_what_to_write(say):
    (line,) = say(signature="self, vocab_size, context, config=None, width=8")
    assert "Model Mine cannot be made" in line
    assert "def __init__(self, config, *, vocab_size, context)" in line


def test_a_run_whose_file_is_not_here_says_where_to_go(run_zoo, zoo_json, tmp_path):
    (tmp_path / "mine.py").write_text(MODEL.format(**SOUND))
    words = ["--data", "invented(documents=200)", "--steps", "2"]
    run = zoo_json("train", "./mine.py:Mine", *words)["runs"][0]["directory"]
    (tmp_path / "mine.py").rename(tmp_path / "moved.py")
    done = run_zoo("sample", run)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(
        "is a run of './mine.py:Mine', a file that does not exist: go to the folder where it was trained."
    )


def test_an_option_without_a_type_is_one_line(say):
    (line,) = say(config="width = 8")
    assert "'./mine.py:Mine'" in line
    assert "width" in line
    assert "annotat" in line


def test_a_model_whose_size_depends_on_its_seed_is_refused_before_it_trains(run_zoo, tmp_path):
    lines = "self.more = nn.Linear(1 + int(torch.randint(1000, ())), 3)"
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, "init": lines}))
    words = ["--models", "./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "2", "--seeds", "2"]
    done = run_zoo("compare", *words)
    assert done.returncode == 1
    assert "they must not depend on the seed" in done.stderr


REFUSED = {
    "lazy": ({"init": "self.lazy = nn.LazyLinear(8)"}, "'lazy' is a LazyLinear, which has no sizes before its first"),
    "lazy norm": ({"init": "self.norm = nn.LazyBatchNorm1d()"}, "'norm' is a LazyBatchNorm1d"),
    "sparse buffer": ({"init": "self.register_buffer('eye', torch.eye(8).to_sparse())"}, "'eye' is a sparse tensor"),
    "no numbers": ({"init": "self.to('meta')"}, "'table.weight' is a tensor without numbers (device meta)"),
    "extra state": ({"config": "pass\n    def get_extra_state(self): return {}"}, "'Mine' keeps extra state"),
    "sparse": ({"init": "self.table = nn.Embedding(vocab_size, vocab_size, sparse=True)"}, "has a sparse gradient of"),
    "frozen": ({"init": "self.table.requires_grad_(False)"}, "has no parameters to train"),
    "detached": ({"forward": "return self.table(tokens).detach()"}, "gives logits without a gradient"),
    "no_grad": ({"forward": "with torch.no_grad(): return self.table(tokens)"}, "gives logits without a gradient"),
    "inference": ({"forward": "with torch.inference_mode(): return self.table(tokens)"}, "logits without a gradient"),
    "graph": (
        {
            "init": "self.kept = torch.zeros(1)",
            "forward": "x = self.table(tokens) * (1 + self.kept.sum() * 0)\n        self.kept = x\n        return x",
        },
        "has no backward pass. RuntimeError: Trying to backward through the graph a second time",
    ),
}


@pytest.mark.parametrize(("lines", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_or_stored_is_refused_in_one_line_before_anything_trains(run_zoo, tmp_path, lines, told):
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, **lines}))
    words = ["./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "3"]
    for more in ([], ["--dry-run"]):
        done = run_zoo("train", *words, *more)
        assert done.returncode in (1, 2)
        (line,) = done.stderr.splitlines()
        assert line.startswith("Error: Model ")
        assert "Mine" in line
        assert told in line
    assert not (tmp_path / "runs").exists()
    checked = run_zoo("check", "./mine.py:Mine")
    assert checked.returncode in (1, 2)
    assert "Traceback" not in checked.stdout + checked.stderr


KEPT = {
    "a slice": "self.register_buffer('scale', torch.arange(100.).reshape(10, 10)[2:4, 2:6])",
    "an expanded buffer": "self.register_buffer('mask', torch.ones(1, 8).expand(4, 8))",
    "an expanded parameter": "self.more = nn.Parameter(torch.zeros(1).expand(vocab_size))",
    "a part of a parameter": "self.more = nn.Parameter(torch.randn(9, vocab_size)[3])",
    "overlapping slices": "x = torch.randn(9); self.register_buffer('x', x[:6]); self.register_buffer('y', x[3:])",
    "weight_norm": "import warnings; warnings.simplefilter('ignore'); nn.utils.weight_norm(self.table)",
    "parametrizations": "nn.utils.parametrizations.weight_norm(self.table)",
    "a lock": "import threading; self.lock = threading.Lock()",
    "a generator": "self.numbers = (number for number in range(3))",
}


@pytest.mark.parametrize("init", KEPT.values(), ids=KEPT)
def test_what_can_be_trained_and_stored_is_and_no_copy_of_a_model_is_made(run_zoo, tmp_path, init):
    forward = "tokens = tokens" if "self.more" not in init else "return self.table(tokens) + self.more"
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, "init": init, "forward": forward}))
    done = run_zoo("train", "./mine.py:Mine", "--data", "invented(documents=200)", "--steps", "3")
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.glob("runs/*/Mine*/")
    assert run_zoo("verify", str(run)).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("init", KEPT.values(), ids=KEPT)
def test_what_can_be_trained_and_stored_holds_the_contract(run_zoo, tmp_path, init):
    forward = "tokens = tokens" if "self.more" not in init else "return self.table(tokens) + self.more"
    config = "pass\n    receptive_field = 1"
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, "config": config, "init": init, "forward": forward}))
    checked = run_zoo("check", "./mine.py:Mine")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_a_model_that_raises_after_training_is_told_with_its_line(run_zoo, tmp_path, command):
    (tmp_path / "mine.py").write_text(MODEL.format(**SOUND))
    words = ["--data", "invented(documents=200)", "--steps", "2"]
    assert run_zoo("train", "./mine.py:Mine", *words).returncode == 0
    (run,) = tmp_path.glob("runs/*/Mine*/")
    (tmp_path / "mine.py").write_text(MODEL.format(**{**SOUND, "forward": "assert len(tokens) < 0"}))
    done = run_zoo(command, str(run), "--trust")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    first, line = done.stderr.splitlines()[-2:]
    assert first.startswith("Error: Model './mine.py:Mine' failed in ")
    assert line == "  mine.py, line 19, in forward: assert len(tokens) < 0"


def test_logits_that_went_through_a_softmax_are_told_as_that(run_zoo, tmp_path):
    (tmp_path / "mine.py").write_text(
        MODEL.format(**{**SOUND, "config": "pass\n    receptive_field = 1",
                        "forward": "return self.table(tokens).softmax(-1)"})
    )  # fmt: skip
    said = " ".join(run_zoo("check", "./mine.py:Mine").stdout.split())
    assert "What it returns adds up to 1, as after a softmax" in said


def test_the_model_of_a_run_says_what_it_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = zoo.train("bigram", steps=2, data="invented(documents=200)")
    for wrong in ("mar", [[1, 2]], torch.tensor([1, 2]), torch.tensor([[1.5]]), torch.tensor([[99]])):
        with pytest.raises(UsageError, match=r"Bigram takes tokens, a tensor \(B, T\) of integers from 0 to 20; not"):
            run.model(wrong)
    tokens = torch.tensor([[0, *run.vocabulary.encode("mar")]])
    assert run.model(tokens).shape == (1, 4, 21)


def test_samples_at_the_lowest_temperatures_are_those_at_zero(run_zoo, tmp_path):
    words = ["--data", "invented(documents=200)", "--steps", "2"]
    assert run_zoo("train", "bigram", *words).returncode == 0
    (run,) = tmp_path.glob("runs/*/bigram*/")
    drawn = [run_zoo("sample", str(run), "--temperature", heat).stdout for heat in ("0", "1e-46", "1e-320")]
    assert drawn[0] == drawn[1] == drawn[2] != ""


def test_an_unknown_character_is_told_with_the_nearest_known_ones(run_zoo, tmp_path):
    (tmp_path / "many.txt").write_text("".join(chr(number) for number in range(200, 1200)) * 3 + "E\n")
    assert run_zoo("train", "bigram", "--data", "many.txt", "--documents", "none", "--steps", "2").returncode == 0
    (run,) = tmp_path.glob("runs/*/bigram*/")
    (line,) = run_zoo("sample", str(run), "--prompt", "e").stderr.splitlines()
    assert line.startswith(
        "Error: Character 'e' is not in the vocabulary of 1002 characters; the nearest of them: 'E', 'È'"
    )
    assert len(line) < 150
