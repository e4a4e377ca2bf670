"""Generation: a token through the streaming state against running forward on the whole window again.

Three questions, for every registered model: how much faster is the state at contexts 8 to 4,096; does a token cost
the same however long the stream already is; and what do many streams at once change, for the dilated WaveNet. The
tables stand below pytest-benchmark's own.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
from conftest import Fresh
from pytest_benchmark.fixture import BenchmarkFixture

from zoo.catalog import MODELS
from zoo.models.interface import SequenceModel

CONTEXTS = (8, 64, 512, 4096)
LENGTHS = (8, 64, 512, 4096)
THREADS = 1
"""A step of one stream is too little work for two."""

AGAIN = 32
"""Steps after which a stream is as long as it was."""

Work = Callable[[], object]

every_model = pytest.mark.parametrize("name", MODELS.names())


@pytest.fixture(autouse=True)
def one_thread(threads: None) -> None:
    """After `threads`, which restores what was there."""
    torch.set_num_threads(THREADS)


def stepping(model: SequenceModel, seen: int, streams: int = 1) -> Work:
    """A step of `streams` streams that have seen so many tokens, or a few more: every so often they go back."""
    tokens = torch.randint(model.vocab_size, (streams, seen))
    with torch.no_grad():
        _, start = model.prefill(tokens, model.begin(streams))
    state, steps = start, 0

    def step() -> None:
        nonlocal state, steps
        if steps % AGAIN == 0:
            state = {name: value.clone() for name, value in start.items()}
        with torch.no_grad():
            _, state = model.step(tokens[:, 0], state)
        steps += 1

    return step


def forwarding(model: SequenceModel, seen: int, streams: int = 1) -> Work:
    """The same logits from the tokens alone."""
    tokens = torch.randint(model.vocab_size, (streams, seen))

    def forward() -> None:
        with torch.no_grad():
            model(tokens)[:, -1]

    return forward


def seconds(work: Work, *, at_least: float = 0.05) -> float:
    """Of one call, in the mean over as many as fill the time."""
    done, began = 0, time.perf_counter()
    while not done or time.perf_counter() - began < at_least:
        work()
        done += 1
    return (time.perf_counter() - began) / done


def measure(benchmark: BenchmarkFixture, work: Work, **facts: object) -> None:
    """Time a call some hundred times, fewer of a slow one."""
    once = seconds(work)
    rounds = max(3, min(200, round(0.5 / once)))
    benchmark.pedantic(work, rounds=rounds, warmup_rounds=2, iterations=1)
    benchmark.extra_info.update(facts)
    benchmark.extra_info["tokens_per_second"] = facts.get("streams", 1) / benchmark.stats.stats.median


@every_model
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("way", [stepping, forwarding], ids=["state", "forward"])
def bench_a_token_at(
    benchmark: BenchmarkFixture, fresh: Fresh, name: str, context: int, way: Callable[[SequenceModel, int], Work]
) -> None:
    """One token of one stream whose window is full."""
    work = way(fresh(name, context=context).eval(), context)
    measure(benchmark, work, table="context", model=name, column=context, way=way.__name__)


@every_model
@pytest.mark.parametrize("length", LENGTHS)
def bench_a_token_after(benchmark: BenchmarkFixture, fresh: Fresh, name: str, length: int) -> None:
    """One token of one stream that is so long already, at context 64."""
    model = fresh(name, context=64).eval()
    measure(benchmark, stepping(model, length), table="length", model=name, column=length, bounded=model.bounded_state)


@pytest.mark.parametrize("streams", [1, 10, 100])
def bench_streams_of_the_dilated_wavenet(benchmark: BenchmarkFixture, fresh: Fresh, streams: int) -> None:
    """At context 1,024, in turns with forward; ten streams are what `sample` draws, and must be 20 times faster."""
    model = fresh("dilated-wavenet", context=1024).eval()
    step, forward = stepping(model, 1024, streams), forwarding(model, 1024, streams)
    turns = [(seconds(forward), seconds(step)) for _ in range(7)]
    ratio = median(slow / fast for slow, fast in turns)
    measure(benchmark, step, table="streams", model="dilated-wavenet", column=streams, streams=streams, ratio=ratio)
    assert streams < 10 or ratio >= 20
