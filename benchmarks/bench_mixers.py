"""Time the mixers against the GRU, torch's fused cell, at one size: training short and long rows, streaming, the check.

Every model is scaled to 76 thousand parameters. A batch has 4,096 tokens, in rows of 64 or 1,024; timed in turns are
forward, loss and backward. A stream is one step of 8 streams after 64 tokens, and after 4,096.
"""

from collections.abc import Callable
from statistics import median

import pytest
import torch
from bench_sliding import learning
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met
from turns import in_turns, ratio

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.conformance.contract import Contract
from zoo.conformance.subject import Subject
from zoo.data.rows import Batch
from zoo.experiments.runs.size_matching import find_width
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import SequenceModel

VOCABULARY, PARAMETERS, TOKENS, STREAMS = 27, 76_000, 4096, 8
MIXERS = [
    "gla",
    "gla(decay=head)",
    "gla(decay=none)",
    "delta-net",
    "mamba",
    "rg-lru",
    "mlstm",
    "min-gru",
    "transformer",
]
TARGETS = {64: 0.5, 1024: 1.0}
"""Length of a row -> least share of the GRU's tokens a second."""
SECONDS_TO_CHECK = 4.0
TRAINING = Table("mixers of 76 thousand parameters: training", "model", "T", "parameters", "tokens/s", "of the GRU's",
                 "target", "")  # fmt: skip
STREAMING = Table("mixers: a step of 8 streams", "model", "after 64", "after 4,096", "ratio", "flat")
CHECKING = Table("mixers: zoo check", "model", "seconds", "target", "")


def make(call: str) -> SequenceModel:
    """Build a model at about 76 thousand parameters."""
    written = parse_call(call)
    kind = MODELS.get(written.name)
    option = str(kind.Config.scales_with)

    def of_width(width: int) -> SequenceModel:
        config = model_config(kind, {**written.options, option: width}, written.name)
        return build(kind, config, vocab_size=VOCABULARY, context=8, seed=1)

    return of_width(find_width(option, lambda width: count_parameters(of_width(width)), PARAMETERS).width)


@pytest.mark.parametrize("length", TARGETS)
@pytest.mark.parametrize("name", MIXERS)
def bench_mixer_training(benchmark: BenchmarkFixture, turns: int, name: str, length: int) -> None:
    """Time a model and the GRU in turns; target: at least half of its tokens a second at 64, and all at 1,024."""
    tokens = torch.randint(VOCABULARY, (TOKENS // length, length + 1))
    batch = Batch(tokens[:, :-1], tokens[:, 1:])
    model, gru = make(name).train(), make("gru").train()
    own, others = in_turns(benchmark, learning(model, batch), learning(gru, batch), turns=turns)
    share, target = ratio(others, own), TARGETS[length]
    benchmark.extra_info["share"] = share
    speed = f"{TOKENS / median(own):,.0f}"
    size = f"{count_parameters(model):,}"
    TRAINING.add(name, f"{length:,}", size, speed, f"{share:.2f}×", f"{target}×", met(share >= target))


@pytest.mark.parametrize("name", [name for name in MIXERS if name != "transformer"])
def bench_mixer_streaming(benchmark: BenchmarkFixture, turns: int, name: str) -> None:
    """Time a step after a short and after a long past; target: within a tenth of each other."""
    model = make(name).eval().requires_grad_(False)

    def stepping(past: int) -> Callable[[], object]:
        _, state = model.prefill(torch.randint(VOCABULARY, (STREAMS, past)), model.begin(STREAMS))
        token = torch.zeros(STREAMS, dtype=torch.long)
        return lambda: [model.step(token, state) for _ in range(20)]

    long, short = in_turns(benchmark, stepping(4096), stepping(64), turns=3 * turns)
    grown = ratio(long, short)
    benchmark.extra_info["ratio"] = grown
    STREAMING.add(name, duration(median(short) / 20), duration(median(long) / 20), f"{grown:.2f}×", met(grown < 1.1))


@pytest.mark.parametrize("name", [name for name in MIXERS if "(" not in name])
def bench_mixer_check(benchmark: BenchmarkFixture, name: str) -> None:
    """Time the contract; target: four seconds."""
    benchmark.pedantic(
        lambda: list(Contract(Subject.of(parse_call(name), context=8, vocab_size=VOCABULARY)).outcomes()), rounds=1
    )
    seconds = benchmark.stats.stats.median
    CHECKING.add(name, f"{seconds:.1f}", f"{SECONDS_TO_CHECK}", met(seconds <= SECONDS_TO_CHECK))
