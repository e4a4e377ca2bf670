"""Time generation through the streaming state against running forward on the whole window again.

Three questions: how much faster is the state at contexts 8 to 4,096; does the cost of a token depend on the length of
the stream; and what do many streams at once gain, for the dilated WaveNet. The tables follow pytest-benchmark's own.
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
"""One: a step of one stream is too little work for two threads."""

AGAIN = 32
"""Steps after which streams return to their first state."""

BY_CONTEXT = Pivot("tokens per second of one stream (times faster than forward again), by context")
BY_LENGTH = Pivot("microseconds a token at context 64, by the length of the stream so far")
BY_STREAMS = Pivot("tokens per second at context 1,024 (times faster than forward again), by streams at once")


@pytest.fixture(autouse=True)
def one_thread(threads: None) -> None:
    """Use one thread; `threads` restores the number afterwards."""
    torch.set_num_threads(THREADS)


def stepping(model: SequenceModel, seen: int, streams: int = 1) -> Work:
    """Make a step of `streams` streams that have seen `seen` tokens, or fewer than AGAIN more."""
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
    """Make a forward pass on the whole window that gives the same kind of logits."""
    tokens = torch.randint(model.vocab_size, (streams, seen))

    def forward() -> None:
        with torch.no_grad():
            model(tokens)[:, -1]

    return forward


def measure(benchmark: BenchmarkFixture, work: Work, *, streams: int = 1) -> float:
    """Time a call up to 200 times, a slow one less often; returns the median in seconds."""
    once = seconds(work)
    rounds = max(3, min(200, round(0.5 / once)))
    benchmark.pedantic(work, rounds=rounds, warmup_rounds=2, iterations=1)
    middle: float = benchmark.stats.stats.median
    benchmark.extra_info["tokens_per_second"] = streams / middle
    return middle


@every_model
@pytest.mark.parametrize("context", CONTEXTS)
def bench_a_token_at(benchmark: BenchmarkFixture, fresh: Fresh, name: str, context: int) -> None:
    """Time one token of a stream whose window is full, in turns with forward."""
    model = fresh(name, context=context).eval()
    step, forward = stepping(model, context), forwarding(model, context)
    gain = gained(step, forward)
    BY_CONTEXT.put(name, context, f"{1 / measure(benchmark, step):,.0f} ({gain:.1f}×)")


@every_model
@pytest.mark.parametrize("length", LENGTHS)
def bench_a_token_after(benchmark: BenchmarkFixture, fresh: Fresh, name: str, length: int) -> None:
    """Time one token of a stream that already has `length` tokens, at context 64."""
    step = stepping(fresh(name, context=64).eval(), length)
    BY_LENGTH.put(name, length, f"{1e6 * measure(benchmark, step):,.0f}")


@pytest.mark.parametrize("streams", [1, 10, 100])
def bench_streams_of_the_dilated_wavenet(benchmark: BenchmarkFixture, fresh: Fresh, streams: int) -> None:
    """Time streams at context 1,024 in turns with forward; target with ten, the default of `sample`: 20×."""
    model = fresh("dilated-wavenet", context=1024).eval()
    step, forward = stepping(model, 1024, streams), forwarding(model, 1024, streams)
    gain = gained(step, forward)
    rate = streams / measure(benchmark, step, streams=streams)
    BY_STREAMS.put("dilated-wavenet", streams, f"{rate:,.0f} ({gain:.0f}×)")


def gained(step: Work, forward: Work) -> float:
    """Median over 7 turns of the ratio of times, forward over step."""
    return median(seconds(forward) / seconds(step) for _ in range(7))
