"""A model's file that changes a setting of the process affects no other model, and its own run is refused."""

import gc
import locale
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from changes import CHANGES, Change

import zoo.training.loss
from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import RunError
from zoo.experiments.records.run import Run
from zoo.experiments.runs.model import find_model
from zoo.experiments.runs.resolve import resolve
from zoo.experiments.runs.train import execute
from zoo.results import TrainedRun
from zoo.surroundings import isolated
from zoo.training.loop import fit

CPU = torch.device("cpu")
IMPORTS = "gc, locale, os, random, signal, sys, warnings, numpy as np, torch, zoo.training.loss"
MODEL = f"""
import {IMPORTS}
import torch.nn.functional as F
from zoo import SequenceModel

LEFT = []
{{at_import}}


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        {{in_backward}}
        return gradient


class Mine(SequenceModel):
    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = torch.nn.Embedding(vocab_size, vocab_size)
        {{when_made}}

    def forward(self, tokens):
        logits = Backward.apply(self.table(tokens))
        {{in_forward}}
        return logits
"""
PLACES = ("at_import", "when_made", "in_forward", "in_backward")
ENGINES_OWN = ("grad_enabled", "inference_mode", "autocast", "Mode", "set_default_device")
"""Settings of the thread, which autograd itself restores after a backward pass."""

HEAVY = "torch.use_deterministic_algorithms(True)"  # imports torch's compiler
FEW = ("torch.set_default_dtype(torch.float64)", "torch.manual_seed(12345)", "os.chdir('/')")
"""Changes trained in the fast tests; the slow tests train all."""


EVERY = [pytest.param(each, marks=pytest.mark.slow if each.statement == HEAVY else []) for each in CHANGES]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60})))


def config(name: str) -> RunConfig:
    options = {"hidden": 4} if name == "gru" else {}
    settings = TrainingConfig(steps=2, batch_size=4, evaluations=2, threads=1)
    return RunConfig(model=Call(name=name, options=options), label=name, training=settings)


@pytest.fixture
def train(corpus: Corpus, tmp_path: Path) -> Callable[[str], Run]:
    """Train a run of two steps in a folder of its own."""
    return lambda name: execute(resolve(config(name), corpus, tmp_path / Path(name).stem), corpus)


@pytest.fixture(scope="module")
def gru(corpus: Corpus) -> Callable[[], torch.Tensor]:
    """Return the weights of the built-in gru after two steps."""

    def trained() -> torch.Tensor:
        cell = resolve(config("gru"), corpus, Path())
        with isolated(CPU, threads=1, seed=1):
            model = cell.build()
            rows = corpus.rows("train", length=8)
            fit(model, rows, rows, cell.settings, seed=1, device=CPU)
        return torch.cat([weights.detach().flatten() for weights in model.parameters()])

    return trained


@pytest.fixture(scope="module")
def alone(gru: Callable[[], torch.Tensor]) -> torch.Tensor:
    """These weights, trained before any other model existed."""
    return gru()


def write(path: Path, **places: str) -> str:
    path.write_text(MODEL.format(**dict.fromkeys(PLACES, "pass") | places))
    return f"{path}:Mine"


def shown(change: Change) -> Any:
    """The present value of a setting, read independently of the harness."""
    names = {"F": F, "gc": gc, "locale": locale, "np": np, "os": os, "signal": signal, "sys": sys, "umask": umask}
    return eval(change.shown, {"torch": torch, "warnings": warnings, "zoo": zoo, **names})


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("change", EVERY, ids=lambda change: change.statement)
def test_what_a_file_sets_is_put_back_and_told_and_changes_no_other_model(
    change, gru, alone, corpus, tmp_path, capsys
) -> None:
    before = shown(change)
    for place, when in (("at_import", "at import"), ("when_made", "when it is made")):
        model = write(tmp_path / f"{place}.py", **{place: change.statement})
        find_model(Call(name=model), vocab_size=len(corpus.vocabulary), context=8).build(1)
        assert shown(change) == before, place
        (notice,) = capsys.readouterr().err.splitlines()
        assert change.named in notice
        assert notice.endswith(f" {when}: restored, because it would affect the other models too.")
        find_model(Call(name=model), vocab_size=len(corpus.vocabulary), context=8).build(1)
        assert capsys.readouterr().err == "", "told once"
    assert gru().equal(alone)


@pytest.mark.parametrize("change", EVERY, ids=lambda change: change.statement)
def test_a_model_whose_forward_sets_something_is_refused(change, train, tmp_path) -> None:
    before = shown(change)
    with pytest.raises(RunError, match="which would affect the other models too") as error:
        train(write(tmp_path / "mine.py", in_forward=change.statement))
    assert change.named in str(error.value)
    assert shown(change) == before
    assert not list(tmp_path.rglob("result.json"))


def refused_result(train: Callable[[], TrainedRun]) -> str:
    """Return the reason of a refusal, or the error if a change prevented the end of the run."""
    try:
        result = train().result
    except RunError as error:
        return str(error)
    assert (result.status, result.test_loss) == ("refused", None)
    return result.reason


@pytest.mark.parametrize(
    "change",
    [pytest.param(each, marks=[] if each.statement in FEW else pytest.mark.slow) for each in CHANGES],
    ids=lambda change: change.statement,
)
def test_a_run_in_which_training_sets_something_is_refused(change, train, gru, alone, tmp_path) -> None:
    before = shown(change)
    model = write(tmp_path / "mine.py", in_backward=change.statement)
    if any(name in change.statement for name in ENGINES_OWN):
        assert train(model).result.status == "finished"
    else:
        result = refused_result(lambda: train(model))
        assert "in training or evaluation, which would affect the other models" in result
        assert change.named in result
    assert shown(change) == before
    assert gru().equal(alone)
