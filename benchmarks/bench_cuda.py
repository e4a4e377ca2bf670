"""Measure three goals on a GPU, each against plain code. Skipped without a GPU.

    python -m pytest -c benchmarks/pytest.ini benchmarks/bench_cuda.py -m long

Needs names.txt and shakespeare.txt (downloaded, or in ZOO_DATA). nanoGPT's shakespeare_char trains on 90% of the text
and estimates the loss on the rest, validation, from random crops. Here the loss of the whole split stops both sides; in
it most tokens see more of the past than in a crop. nanoGPT's estimate is given too.
"""

import time
from dataclasses import replace
from statistics import median

import pytest
import torch
from nanogpt import PlainLoop, crop_estimate
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table
from timing import device_name, seconds, wait

from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.rows import Rows
from zoo.models.build import build, count_parameters
from zoo.models.interface import SequenceModel
from zoo.surroundings import isolated
from zoo.training.cuda_graph import capture
from zoo.training.evaluation import evaluate
from zoo.training.loop import Settings, fit
from zoo.training.stacked.filling import stack_batches
from zoo.training.stacked.fit import StackedStep
from zoo.training.step import TrainStep

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="NEEDS A GPU: nothing here is about a CPU"),
]

CUDA = torch.device("cuda:0")
REPLICAS = 32
WAVENET = {"embedding": 24, "hidden": 128}
WAVENET_SETTINGS = Settings(
    steps=20_000,
    batch_size=128,
    optimizer="adamw",
    schedule="cosine",
    lr=1e-2,
    weight_decay=0.3,
    warmup=0.05,
    clip=1.0,
    evaluations=100,
    dtype="float32",
)
TABLE = Table("on a GPU", "what", "measured", "goal", "how")
GPT = {"channels": 384, "heads": 6, "layers": 6, "positions": "learned", "places": 256, "dropout": 0.2}
GPT_SETTINGS = Settings(
    steps=5000,
    batch_size=64,
    optimizer="adamw",
    schedule="cosine",
    lr=1e-3,
    weight_decay=0.1,
    warmup=100 / 5000,
    clip=1.0,
    evaluations=20,
    dtype="bfloat16",
)
PUBLISHED, EVERY, CROPS = 1.4697, 250, 200
"""nanoGPT's best validation loss (its README), steps between two estimates, and batches of an estimate."""


def load(name: str, split: str = "80/10/10") -> Corpus:
    return load_corpus(DataConfig(corpus=Call(name=name), split=split))


def make(name: str, corpus: Corpus, options: dict[str, float], *, context: int, seed: int = 1) -> SequenceModel:
    kind, size = MODELS.get(name), len(corpus.vocabulary)
    return build(kind, kind.Config(**options), vocab_size=size, context=context, seed=seed).to(CUDA).train()


def note(benchmark: BenchmarkFixture, what: str, measured: str, goal: str, how: str) -> None:
    benchmark.extra_info.update(measured=measured, device=device_name(CUDA))
    TABLE.add(f"{what}, on {device_name(CUDA)}", measured, goal, how)


def bench_32_seeds(benchmark: BenchmarkFixture) -> None:
    """Time stacked and captured steps against eager ones, seed after seed; goal: 20 times as many seeds a second."""
    corpus = load("names")
    rows = corpus.rows("train", length=8, device=CUDA)
    on_host = corpus.rows("train", length=8, device=torch.device("cpu"))
    models = [[make("wavenet", corpus, WAVENET, context=8, seed=k) for k in range(REPLICAS)] for _ in range(2)]
    assert count_parameters(models[0][0]) == 76_579
    settings, size, number = WAVENET_SETTINGS, WAVENET_SETTINGS.batch_size, 0
    plain = [TrainStep(model, settings, CUDA) for model in models[0]]
    stack = capture(StackedStep(models[1], [settings] * REPLICAS, CUDA), CUDA)
    rates = torch.full((REPLICAS,), settings.lr)

    def eager() -> None:
        nonlocal number
        number += 1
        for k, step in enumerate(plain):
            step(rows.batch(k, number, size), settings.lr)

    def captured() -> None:
        nonlocal number
        number += 1
        stack(stack_batches([on_host.batch(k, number, size) for k in range(REPLICAS)], stack.multiple), rates)

    for work in (eager, captured) * 20:  # records every shape
        work()
    turns = [(seconds(eager, CUDA, at_least=2), seconds(captured, CUDA, at_least=2)) for _ in range(5)]
    ratio = median(slow / fast for slow, fast in turns)
    benchmark.pedantic(captured, rounds=20, warmup_rounds=2)
    note(
        benchmark,
        "32 seeds of a wavenet of 76,579 parameters at once, against one after the other",
        f"{ratio:.1f}× ({1e3 * turns[2][1]:.2f} ms a step of all)",
        "20×",
        stack.execution,
    )


def bench_wavenet_to_1_993(benchmark: BenchmarkFixture) -> None:
    """Time training to the lecture's validation loss of 1.993; goal: below 2 seconds."""
    corpus = load("names")
    rows = {split: corpus.rows(split, length=8, device=CUDA) for split in ("train", "validation")}
    model = make("wavenet", corpus, WAVENET, context=8)
    with isolated(CUDA, seed=1):
        done = benchmark.pedantic(
            lambda: fit(model, rows["train"], rows["validation"], WAVENET_SETTINGS, seed=1, device=CUDA), rounds=1
        )
    reached = next((point for point in done.curve if point.validation_loss <= 1.993), None)
    best = min(point.validation_loss for point in done.curve)
    measured = f"{reached.seconds:.2f} s, step {reached.step:,}" if reached else f"never; best {best:.3f}"
    note(benchmark, "that wavenet to a validation loss of 1.993", measured, "2 s", done.execution)


@pytest.mark.parametrize("way", ["ours", "ours-compiled", "plain"])
def bench_shakespeare_char(benchmark: BenchmarkFixture, way: str) -> None:
    """Train nanoGPT's configuration, 10.6M parameters, 5,000 steps: ours, ours compiled, and a compiled plain loop."""
    corpus = load("shakespeare", split="90/10/0")
    model = make("transformer", corpus, GPT, context=256)
    train, validation = (corpus.rows(split, length=256, device=CUDA) for split in ("train", "validation"))
    settings = replace(GPT_SETTINGS, compile=way == "ours-compiled")

    def ours() -> tuple[float, float | None, str]:
        done = fit(model, train, validation, settings, seed=1, device=CUDA)
        reached = next((point.seconds for point in done.curve if point.validation_loss <= PUBLISHED), None)
        best = min(point.validation_loss for point in done.curve)
        crops = f"{estimate(model, validation):.4f} by random crops"
        return done.seconds, reached, f"{done.execution}; best {best:.4f}, {crops}"

    work = (lambda: plain_loop(model, train, validation)) if way == "plain" else ours
    with isolated(CUDA, seed=1):
        whole, reached, how = benchmark.pedantic(work, rounds=1)
    name = f"shakespeare_char, {count_parameters(model):,} parameters: {way}"
    measured = f"{reached:.1f} s to {PUBLISHED}" if reached else f"{PUBLISHED} not reached"
    note(benchmark, name, f"{measured}, {whole:.1f} s in all", "less than plain", how)


def plain_loop(model: SequenceModel, train: Rows, validation: Rows) -> tuple[float, float | None, str]:
    """Train in nanoGPT's loop, compiled; the time includes compilation, but not evaluation.

    Returns:
        Seconds of training, seconds until the published loss on the whole split, and the losses in words.
    """
    s = GPT_SETTINGS
    assert s.steps is not None
    loop = PlainLoop(
        model,
        train,
        steps=s.steps,
        batch_size=s.batch_size,
        seed=1,
        forward=torch.compile(model),
        fused=True,
        dtype=torch.bfloat16,
    )
    counted, reached, best = 0.0, None, float("inf")
    while loop.done < s.steps:
        wait(train.device)
        began = time.perf_counter()
        loop.train(EVERY)
        wait(train.device)
        counted += time.perf_counter() - began
        best = min(best, loss := evaluate(model, validation, device=train.device, dtype=s.dtype).loss)
        if reached is None and loss <= PUBLISHED:
            reached = counted
    crops = f"at the end {estimate(model, validation):.4f} by random crops"
    return counted, reached, f"torch.compile, written out; best {best:.4f}, {crops}"


def estimate(model: SequenceModel, rows: Rows) -> float:
    """Estimate a loss as nanoGPT does on a GPU."""
    return crop_estimate(model, rows, batches=CROPS, batch_size=GPT_SETTINGS.batch_size, dtype=torch.bfloat16)
