"""Throughput of every registered model, plug-ins included: a training step, an evaluation, generation.

Times are of one call; tokens a second stand below the table, and as extra info in --benchmark-json.
"""

from collections.abc import Callable
from itertools import count

import pytest
import torch
from conftest import Fresh
from pytest_benchmark.fixture import BenchmarkFixture

from zoo.catalog import MODELS
from zoo.data.corpus import Corpus
from zoo.sampling import generate
from zoo.training.evaluation import evaluate
from zoo.training.loop import Settings, TrainStep

CPU = torch.device("cpu")
BATCH_SIZE = 128
SETTINGS = Settings(
    steps=1000,
    batch_size=BATCH_SIZE,
    optimizer="adamw",
    schedule="constant",
    lr=1e-3,
    weight_decay=0.01,
    warmup=0.0,
    clip=1.0,
    evaluations=1,
    dtype="float32",
)

every_model = pytest.mark.parametrize("name", MODELS.names())


def measure(benchmark: BenchmarkFixture, call: Callable[[], object], *, tokens: float, rounds: int) -> None:
    """Time `call`, and put the tokens a second at the median into the report and into --benchmark-json."""
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=max(1, rounds // 10), iterations=1)
    benchmark.extra_info["tokens_per_second"] = tokens / benchmark.stats.stats.median


@every_model
def bench_train(benchmark: BenchmarkFixture, fresh: Fresh, corpus: Corpus, name: str) -> None:
    """One step of the loop: draw a batch, forward, backward, clip, update."""
    rows = corpus.rows("train", length=64, device=CPU)
    step = TrainStep(fresh(name).train(), SETTINGS, CPU)
    number = count()
    measure(
        benchmark,
        lambda: step(rows.batch(1, next(number), BATCH_SIZE), SETTINGS.lr),
        tokens=corpus.row_targets(64) * BATCH_SIZE,
        rounds=50,
    )


@every_model
def bench_evaluate(benchmark: BenchmarkFixture, fresh: Fresh, corpus: Corpus, name: str) -> None:
    """The whole validation split, every token once."""
    model, rows = fresh(name), corpus.rows("validation", length=64, device=CPU)
    measure(benchmark, lambda: evaluate(model, rows, device=CPU), tokens=rows.targets, rounds=10)


@every_model
def bench_generate(benchmark: BenchmarkFixture, fresh: Fresh, name: str) -> None:
    """Thirty-two streams of 32 tokens, through `prefill` and `step`."""
    model, prompt = fresh(name), torch.empty(0, dtype=torch.long)
    measure(benchmark, lambda: generate(model, prompt, count=32, length=32, stops=False), tokens=32 * 32, rounds=10)
