"""Mistakes in a model of one's own: what was raised, and the lines of one's own that led to it; nothing else."""

import json

import pytest

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
    """What `train` says of the model with some of its lines replaced."""

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
    assert line.endswith("is a run of './mine.py:Mine', a file that is not here: go where it was trained.")


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
