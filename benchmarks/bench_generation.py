"""Generation: a token through the streaming state against running forward on the whole window again.

Three questions, for every registered model: how much faster is the state at contexts 8 to 4,096; does a token cost
the same however long the stream already is; and what do many streams at once change, for the dilated WaveNet. The
tables stand below pytest-benchmark's own.
"""

from statistics import median

import pytest
import torch
from conftest import Fresh
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import every_model
from tables import Pivot
from timing import Work, seconds

from zoo.models.interface import SequenceModel

CONTEXTS = (8, 64, 512, 4096)
LENGTHS = (8, 64, 512, 4096)
THREADS = 1
"""A step of one stream is too little work for two."""

AGAIN = 32
"""Steps after which a stream is as long as it was."""

BY_CONTEXT = Pivot("tokens per second of one stream (times faster than forward again), by context")
BY_LENGTH = Pivot("microseconds a token at context 64, by the length of the stream so far")
BY_STREAMS = Pivot("tokens per second at context 1,024 (times faster than forward again), by streams at once")


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


def measure(benchmark: BenchmarkFixture, work: Work, *, streams: int = 1) -> float:
    """Time a call some hundred times, fewer of a slow one; returns the seconds of the median."""
    once = seconds(work)
    rounds = max(3, min(200, round(0.5 / once)))
    benchmark.pedantic(work, rounds=rounds, warmup_rounds=2, iterations=1)
    middle: float = benchmark.stats.stats.median
    benchmark.extra_info["tokens_per_second"] = streams / middle
    return middle


@every_model
@pytest.mark.parametrize("context", CONTEXTS)
def bench_a_token_at(benchmark: BenchmarkFixture, fresh: Fresh, name: str, context: int) -> None:
    """One token of one stream whose window is full, in turns with forward."""
    model = fresh(name, context=context).eval()
    step, forward = stepping(model, context), forwarding(model, context)
    gain = gained(step, forward)
    BY_CONTEXT.put(name, context, f"{1 / measure(benchmark, step):,.0f} ({gain:.1f}×)")


@every_model
@pytest.mark.parametrize("length", LENGTHS)
def bench_a_token_after(benchmark: BenchmarkFixture, fresh: Fresh, name: str, length: int) -> None:
    """One token of one stream that is so long already, at context 64."""
    step = stepping(fresh(name, context=64).eval(), length)
    BY_LENGTH.put(name, length, f"{1e6 * measure(benchmark, step):,.0f}")


@pytest.mark.parametrize("streams", [1, 10, 100])
def bench_streams_of_the_dilated_wavenet(benchmark: BenchmarkFixture, fresh: Fresh, streams: int) -> None:
    """At context 1,024, in turns with forward; ten streams are what `sample` draws, and are to be 20 times faster."""
    model = fresh("dilated-wavenet", context=1024).eval()
    step, forward = stepping(model, 1024, streams), forwarding(model, 1024, streams)
    gain = gained(step, forward)
    rate = streams / measure(benchmark, step, streams=streams)
    BY_STREAMS.put("dilated-wavenet", streams, f"{rate:,.0f} ({gain:.0f}×)")


def gained(step: Work, forward: Work) -> float:
    """How many times faster a step is: the median of 7 turns."""
    return median(seconds(forward) / seconds(step) for _ in range(7))
