"""Claims about trained models: every model, trained for a few seconds."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from trained_models import TRAINED

from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.evaluation import evaluate
from zoo.training.loop import Settings, fit, logits_of
from zoo.training.loss import cross_entropy

CPU = torch.device("cpu")
BATCH_SIZE = 64


@pytest.fixture(scope="module")
def larger() -> Corpus:
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 2000})))


@pytest.fixture(scope="module", params=TRAINED)
def trained(request: pytest.FixtureRequest, larger: Corpus, make_model: Callable[..., SequenceModel]) -> SequenceModel:
    model = make_model(request.param)
    settings = Settings(
        steps=150,
        batch_size=BATCH_SIZE,
        optimizer=model.recipe.optimizer,
        schedule="cosine",
        lr=model.recipe.lr,
        weight_decay=model.recipe.weight_decay,
        warmup=0.05,
        clip=1.0,
        evaluations=2,
        dtype="float32",
    )
    with isolated(CPU, threads=1, seed=1):
        fit(model, larger.rows("train", length=8), larger.rows("validation", length=8), settings, seed=1, device=CPU)
    return model


def test_the_loss_in_training_mode_is_that_in_evaluation_mode(trained: SequenceModel, larger: Corpus) -> None:
    """Decision 3: batch statistics and running ones agree, because rows are drawn at random."""
    rows = larger.rows("train", length=8)
    assert rows.count % BATCH_SIZE == 0
    learner = copy.deepcopy(trained).train()  # training mode changes its running statistics
    total = 0.0
    with torch.no_grad(), isolated(CPU, seed=2):
        for step in range(rows.count // BATCH_SIZE):  # one epoch in another order: every document once
            batch = rows.batch(2, step, BATCH_SIZE)
            total += cross_entropy(logits_of(learner, batch), batch.targets).item() * batch.target_count
    assert total / rows.targets == pytest.approx(evaluate(trained, rows, device=CPU).loss, abs=0.02)


def test_no_model_gets_below_the_floor_by_more_than_chance(trained: SequenceModel, larger: Corpus) -> None:
    score = evaluate(trained, larger.rows("test", length=8), device=CPU)
    assert larger.log_likelihood is not None
    floor = -np.array(larger.log_likelihood([str(word) for word in larger.text.test]))
    above = score.nats - floor  # a document
    standard_error = above.std(ddof=1) * math.sqrt(len(above)) / score.tokens.sum()
    distance = score.loss - (larger.floor["test"] or math.nan)
    assert distance == pytest.approx(above.sum() / score.tokens.sum(), abs=1e-12)
    assert distance > -3 * standard_error
    assert distance < 0.7, "it has learned something, or the line above says nothing"
