"""Answers in training and evaluation: of a task, and of documents of different lengths with answers of their own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.catalog import CORPORA, MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.source import Source
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.probes.flops import FlopCounter, Layout
from zoo.surroundings import isolated
from zoo.tokens import IGNORED
from zoo.training.detail import Detail
from zoo.training.evaluation import evaluate
from zoo.training.loop import Fit, Settings, draw, fit
from zoo.training.reproduction import reproduce
from zoo.training.reservoir import Reservoir
from zoo.training.stacked.filling import fill, stack_batches
from zoo.training.stacked.fit import StackedStep, fit_stacked
from zoo.training.step import TrainStep

CPU = torch.device("cpu")
SETTINGS = Settings(
    steps=12,
    batch_size=16,
    optimizer="adamw",
    schedule="constant",
    lr=1e-2,
    weight_decay=0.01,
    warmup=0.0,
    clip=1.0,
    evaluations=3,
    dtype="float32",
)
TASKS: dict[str, dict[str, Any]] = {
    "dyck": {"length": 10, "kinds": 2, "documents": 90},
    "induction": {"length": 7, "symbols": 4, "documents": 90},
    "markov": {"length": 8, "documents": 90},
    "recall": {"pairs": 2, "length": 12, "keys": 4, "values": 4, "documents": 90},
}
KINDS = [*TASKS, "answered"]
WORDS = ["ab" * (1 + n % 4) + "c" * (n % 3) + "d" * (n % 7) for n in range(200)]
SHOUTED = ["".join("_" if place % 3 == 1 else sign.upper() for place, sign in enumerate(word)) for word in WORDS]


@pytest.fixture(scope="module")
def answered() -> dict[str, Corpus]:
    """Small tasks, and documents of different lengths with answers."""
    CORPORA.register("answered")(lambda: Source("answered", WORDS, answers=SHOUTED))
    try:
        return {name: load_corpus(DataConfig(corpus=Call(name=name, options=TASKS.get(name, {})))) for name in KINDS}
    finally:
        CORPORA.unregister("answered")


def make(name: str, corpus: Corpus, seed: int = 1, **options: Any) -> SequenceModel:
    kind = MODELS.get(name)
    return build(kind, kind.Config(**options), vocab_size=len(corpus.vocabulary), context=8, seed=seed)


def train(model: SequenceModel, corpus: Corpus, seed: int = 1, **settings: Any) -> Fit:
    rows = (corpus.rows(split, length=8) for split in ("train", "validation"))
    with isolated(CPU, seed=seed):
        return fit(model, *rows, replace(SETTINGS, **settings), seed=seed, device=CPU)


def documents_of(corpus: Corpus, split: str) -> list[tuple[Tensor, Tensor]]:
    """Tokens and targets of every document."""
    tokens = corpus.tokens[split]
    assert tokens.answers is not None
    bounds = zip(tokens.starts[:-1], tokens.starts[1:], strict=True)
    return [
        (torch.tensor(tokens.flat[start:end].astype(np.int64)), torch.tensor(tokens.answers[start:end]).long())
        for start, end in bounds
    ]


@pytest.mark.parametrize("name", ["gru", "mlp"])
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_right_answers_are_those_of_every_document_by_itself(
    name: str, kind: str, answered: dict[str, Corpus]
) -> None:
    corpus = answered[kind]
    model = make(name, corpus)
    train(model, corpus)
    rows = corpus.rows("test", length=8)
    detail = Detail(rows)
    score, detailed = evaluate(model, rows, device=CPU), evaluate(model, rows, device=CPU, detail=detail, max_tokens=31)
    nats, counts, right = [], [], []
    model.eval()
    for tokens, targets in documents_of(corpus, "test"):
        with torch.no_grad():
            log_shares = model(tokens[None])[0].double().log_softmax(-1)
        scored = [(place, target) for place, target in enumerate(targets.tolist()) if target != IGNORED]
        nats.append(-sum(float(log_shares[place, target]) for place, target in scored))
        right.append(sum(int(log_shares[place].argmax()) == target for place, target in scored))
        counts.append(len(scored))
    for found in (score, detailed):
        np.testing.assert_allclose(found.nats, nats, rtol=1e-4, atol=1e-5)
        assert found.right is not None
        assert found.right.tolist() == right
        assert found.tokens.tolist() == counts
        assert found.loss == pytest.approx(sum(nats) / sum(counts), rel=1e-5)
        assert found.accuracy == pytest.approx(sum(right) / sum(counts))
        assert found.answers == pytest.approx(np.mean([a == b for a, b in zip(right, counts, strict=True)]))
    arrays = detail.arrays()
    every = torch.cat([targets for _, targets in documents_of(corpus, "test")])
    assert arrays["kept.targets"].tolist() == every[every != IGNORED].tolist()
    assert arrays["kept.nats"].sum() == pytest.approx(sum(nats), rel=1e-4)
    assert arrays["position.tokens"].sum() == sum(counts)
    assert arrays["position.nats"].sum() == pytest.approx(sum(nats), rel=1e-4)


def test_text_has_no_right_answers(corpus: Corpus) -> None:
    score = evaluate(make("bigram", corpus), corpus.rows("test", length=8), device=CPU)
    assert (score.right, score.accuracy, score.answers) == (None, None, None)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_trains_on_scored_tokens_alone(kind: str, window: int | None, answered: dict[str, Corpus]) -> None:
    """Its loss is the mean of a loop over scored tokens, and no other target has a gradient."""
    corpus = answered[kind]
    model, settings = make("bigram", corpus).train(), replace(SETTINGS, window=window)
    batch = draw(corpus.rows("train", length=8), settings, 1, 0)
    tokens, targets = batch.pad()
    with torch.no_grad():
        shares = model(tokens)[:, -targets.shape[1] :].double().log_softmax(-1)
    scored = [(*place, int(targets[tuple(place)])) for place in (targets != IGNORED).nonzero().tolist()]
    expected = -sum(float(shares[row, place, target]) for row, place, target in scored) / len(scored)
    loss = TrainStep(model, settings, CPU)(batch, 0.0)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "name", ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gru", "transformer", "wavenet"))]
)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_of_an_honest_model_are_reproduced(name: str, kind: str, answered: dict[str, Corpus]) -> None:
    corpus = answered[kind]
    model, kept = make(name, corpus), Reservoir(0)
    train(model, corpus)
    again = make(name, corpus, seed=2)
    again.load_state_dict(model.state_dict())
    with isolated(CPU, threads=1, seed=0):
        evaluate(model, corpus.rows("test", length=8), device=CPU, reservoir=kept)
        found = reproduce(again, kept.batches, device=CPU)
    assert found.disagreement is None
    assert found.cuts >= 200
    assert found.apart < 1e-3


class LooksAhead(SequenceModel):
    """Sees one token ahead."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, vocab_size)
        nn.init.normal_(self.table.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(torch.cat([tokens[:, 1:], tokens[:, :1]], dim=1))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "induction"])
def test_a_model_that_looks_ahead_is_found(kind: str, answered: dict[str, Corpus]) -> None:
    """But where the last token alone is scored, with nothing after it to look at."""
    corpus = answered[kind]
    models = [build(LooksAhead, LooksAhead.Config(), vocab_size=len(corpus.vocabulary), context=8, seed=0)] * 2
    kept = Reservoir(0)
    with isolated(CPU, threads=1, seed=0):
        evaluate(models[0], corpus.rows("test", length=8), device=CPU, reservoir=kept)
        assert reproduce(models[1], kept.batches, device=CPU).disagreement is not None


@pytest.mark.parametrize("window", [None, 8])
@pytest.mark.parametrize("name", ["gru", "mlp"])
@pytest.mark.parametrize("kind", ["dyck", "recall", "answered"])
def test_steps_of_a_stack_in_float64_are_those_of_replicas_alone(
    kind: str, name: str, window: int | None, answered: dict[str, Corpus]
) -> None:
    rows, settings = answered[kind].rows("train", length=8), replace(SETTINGS, window=window)
    alone, together = ([make(name, answered[kind], seed).double().train() for seed in range(3)] for _ in range(2))
    plain, stack = [TrainStep(model, settings, CPU) for model in alone], StackedStep(together, [settings] * 3, CPU)
    for step in range(4):
        batches = [draw(rows, settings, seed, step) for seed in range(3)]
        longest = max(len(batch.tokens) for batch in batches)
        losses = stack(stack_batches(batches), torch.full((3,), 0.01, dtype=torch.float64))
        for one, batch, loss in zip(plain, batches, losses, strict=True):
            torch.testing.assert_close(loss, one(fill(batch, longest), 0.01), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_replicas_of_a_stack_have_the_losses_of_runs_alone(kind: str, answered: dict[str, Corpus]) -> None:
    corpus = answered[kind]
    rows = [corpus.rows(split, length=8) for split in ("train", "validation")]
    with isolated(CPU, seed=1):
        models = [make("gru", corpus, seed, hidden=8) for seed in range(2)]
        fits = fit_stacked(models, *rows, [SETTINGS] * 2, seeds=range(2), device=CPU)
    for seed, found in enumerate(fits):
        expected = train(make("gru", corpus, seed, hidden=8), corpus, seed)
        losses = [[point.validation_loss for point in own.curve] for own in (found, expected)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_flops_are_those_of_all_tokens_whatever_is_scored(kind: str, answered: dict[str, Corpus]) -> None:
    corpus = answered[kind]
    batch = corpus.rows("train", length=8).batch(0, 0, 16)
    layout: Layout = "packed" if batch.packing else "dense"
    assert corpus.has_equal_rows == (layout == "dense")
    assert batch.shape[2] == batch.target_count == batch.tokens.numel()
    vocabulary, (N, E, H) = len(corpus.vocabulary), (8, 3, 5)
    found = FlopCounter(make("mlp", corpus, embedding=E, hidden=H), layout).total({batch.shape: 1})  # type: ignore[arg-type]
    assert found == 6 * batch.tokens.numel() * (N * E * H + H * vocabulary)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_counts_as_many_tokens_as_its_row(kind: str, answered: dict[str, Corpus]) -> None:
    corpus = answered[kind]
    rows = corpus.rows("train", length=8)
    counts = [rows.batch(0, step, 16).target_count for step in range(10)]
    assert corpus.row_targets(8) * 16 == pytest.approx(np.mean(counts), rel=1e-6)
