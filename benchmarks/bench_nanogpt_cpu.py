"""Time training to the loss of nanoGPT's run on a CPU, 1.88 on Shakespeare's validation split, against that run.

nanoGPT's README trains 0.80 million parameters for 2,000 steps of 12 rows of 64 characters, and estimates a loss of
1.88 from 20 batches of random crops. `nanogpt.py` writes out its model and loop. All sides take their steps in turns, a
twentieth of a run each, so that noise affects them alike; seconds are those of training. The loss is given three ways:
as estimated there, over the whole split in rows of 64 (what that estimate approaches), and as the zoo evaluates, where
every token but the first 32 sees at least 32 before it.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from statistics import fmean

import needs
import pytest
import torch
from harness import stepper
from limits import AT_LIMITS, limits
from nanogpt import PlainGPT, PlainLoop, crop_estimate, row_loss
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from torch import nn
from turns import in_turns, ratio

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import DataError
from zoo.models.build import build, count_parameters, model_config
from zoo.training.evaluation import evaluate
from zoo.training.loop import Settings

LOSS, TIMES = 1.88, 2.0
SEEDS, TURNS = (1, 2, 3), 20
"""Seeds, and turns of each."""
CONTEXT, BATCH_SIZE, STEPS, ESTIMATE = 64, 12, 2000, 20
"""nanoGPT's context, rows of a step, steps, and batches of an estimate."""
SIZE = {"channels": 128, "heads": 4, "layers": 4}
OURS = {
    "transformer(channels=120,heads=4,layers=4)": 340,
    "transformer(channels=64,heads=2,layers=2)": 480,
    "lstm(embedding=64,hidden=128)": 300,
}
"""Our models and their steps: nearly nanoGPT's size, the fastest transformer found, and the fastest model."""

TABLE = Table(
    "nanoGPT on a CPU", "what", "threads", *AT_LIMITS, "estimate", "in rows", "as the zoo", "ratio", "target", ""
)

Side = tuple[nn.Module, Callable[[], None]]
"""A model, and a function that trains it for a turn."""


def plain(corpus: Corpus, seed: int) -> Side:
    torch.manual_seed(seed)
    model = PlainGPT(len(corpus.vocabulary), context=CONTEXT, **SIZE)
    rows = corpus.rows("train", length=CONTEXT)
    loop = PlainLoop(model, rows, steps=STEPS, batch_size=BATCH_SIZE, seed=seed)
    return model, lambda: loop.train(STEPS // TURNS)


def ours(call: str, corpus: Corpus, seed: int) -> Side:
    name, options, steps = parse_call(call).name, parse_call(call).options, OURS[call]
    kind, size = MODELS.get(name), len(corpus.vocabulary)
    model = build(kind, model_config(kind, options, name), vocab_size=size, context=CONTEXT, seed=seed)
    step = stepper(model, corpus.rows("train", length=CONTEXT), settings(steps), seed=seed)

    def train() -> None:
        for _ in range(steps // TURNS):
            step()

    return model, train


def settings(steps: int) -> Settings:
    return Settings(
        steps=steps,
        batch_size=BATCH_SIZE,
        optimizer="muon",
        schedule="linear",
        lr=0.02,
        weight_decay=0.05,
        warmup=0.05,
        clip=1.0,
        evaluations=1,
        dtype="float32",
    )


@pytest.mark.long
@pytest.mark.parametrize("threads", [2, 1])
def bench_nanogpt_cpu(benchmark: BenchmarkFixture, threads: int) -> None:
    """Time whole runs of three seeds; pytest-benchmark's own table has turns of ours."""
    torch.set_num_threads(threads)
    try:
        corpus = load_corpus(DataConfig(corpus=Call(name="shakespeare"), split="90/10/0"))
    except DataError:
        pytest.skip("shakespeare.txt is not at hand")
    makers = {call: partial(ours, call) for call in OURS} | {"plain": plain}
    for make in makers.values():
        make(corpus, SEEDS[0])[1]()  # warms up
    runs = {side: [make(corpus, seed) for seed in SEEDS] for side, make in makers.items()}

    def turns_of(sides: list[Side]) -> Callable[[], None]:
        numbers = count()
        return lambda: sides[next(numbers) // TURNS][1]()

    seconds = in_turns(benchmark, *map(turns_of, runs.values()), turns=TURNS * len(SEEDS), warmups=0)
    spent = dict(zip(runs, seconds, strict=True))
    validation, on_cpu = corpus.rows("validation", length=CONTEXT), torch.device("cpu")
    for side, sides in runs.items():
        losses = [
            [crop_estimate(model, validation, batches=ESTIMATE, batch_size=BATCH_SIZE) for model, _ in sides],
            [row_loss(model, corpus.tokens["validation"], CONTEXT) for model, _ in sides],
            [evaluate(model, validation, device=on_cpu).loss for model, _ in sides],
        ]
        times, total = ratio(spent["plain"], spent[side]), sum(spent[side]) / len(SEEDS)
        each = [
            ratio(spent["plain"][k : k + TURNS], spent[side][k : k + TURNS]) for k in range(0, len(spent[side]), TURNS)
        ]
        benchmark.extra_info[side] = {"seconds": spent[side], "losses": losses, "ratio": times}
        words = [f"{fmean(three):.3f} ({min(three):.3f} to {max(three):.3f})" for three in losses]
        cells = ["", "", duration(total), ""]
        if side in OURS:
            model = sides[0][0]
            batches = [corpus.rows("train", length=CONTEXT).batch(0, 0, BATCH_SIZE)]
            needed = needs.of_training(model, batches)
            cells = list(limits().cells(needs.Needs(*(OURS[side] * amount for amount in needed)), total))
        reached = max(fmean(losses[0]), fmean(losses[1])) <= LOSS and times >= TIMES
        target = (f"{LOSS}, {TIMES:g}×", met(reached)) if side in OURS else ("", "")
        TABLE.add(
            f"{side}, {count_parameters(sides[0][0]):,} parameters",
            str(threads),
            *cells,
            *words,
            f"{times:.1f}× ({min(each):.1f} to {max(each):.1f})",
            *target,
        )
