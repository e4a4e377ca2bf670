"""Fixtures of the training tests: a small corpus, and any model trained on it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.rows import Rows
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.loop import Fit, Settings, fit

CPU = torch.device("cpu")
SETTINGS = Settings(
    steps=20,
    batch_size=16,
    optimizer="adamw",
    schedule="constant",
    lr=1e-2,
    weight_decay=0.01,
    warmup=0.0,
    clip=1.0,
    evaluations=2,
    dtype="float32",
)

MakeModel = Callable[..., SequenceModel]
Train = Callable[..., Fit]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread, for bitwise claims, and restore the random numbers after the test."""
    with isolated(CPU, threads=1):
        yield


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A corpus of a thousand invented words."""
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 1000})))


@pytest.fixture(scope="session")
def train_rows(corpus: Corpus) -> Rows:
    return corpus.rows("train", length=8)


@pytest.fixture(scope="session")
def validation_rows(corpus: Corpus) -> Rows:
    return corpus.rows("validation", length=8)


@pytest.fixture(scope="session")
def stream_rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """A stream of 600 characters in rows of 16, with the vocabulary of `corpus`."""
    path = tmp_path_factory.mktemp("stream") / "stream.txt"
    path.write_text("the tree sees the bees\n\n" * 30)
    return load_corpus(DataConfig(corpus=Call(name=str(path)))).rows("train", length=16)


@pytest.fixture(scope="session")
def make_model(corpus: Corpus) -> MakeModel:
    """Build a model for `corpus`, by name or class: `make_model("gru", dropout=0.5)`."""

    def make(model: str | type[SequenceModel], *, seed: int = 1, **options: Any) -> SequenceModel:
        kind = MODELS.get(model) if isinstance(model, str) else model
        return build(kind, kind.Config(**options), vocab_size=len(corpus.vocabulary), context=8, seed=seed)

    return make


@pytest.fixture
def train(train_rows: Rows, validation_rows: Rows) -> Train:
    """Run `fit` on the small corpus: `train(model, steps=60, lr=1e-3)`; other settings from SETTINGS."""

    def run(
        model: SequenceModel,
        *,
        seed: int = 1,
        rows: Rows = train_rows,
        report: Any = lambda _: None,
        evaluation_model: SequenceModel | None = None,
        **settings: Any,
    ) -> Fit:
        own = replace(SETTINGS, **settings)
        with isolated(CPU, seed=seed):
            return fit(
                model,
                rows,
                validation_rows,
                own,
                seed=seed,
                device=CPU,
                report=report,
                evaluation_model=evaluation_model,
            )

    return run
