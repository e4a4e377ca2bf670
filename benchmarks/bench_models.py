"""Time every registered model, plug-ins included, at two sizes: a training step, an evaluation, generation.

The table, and extra info in --benchmark-json, give tokens a second, share of the machine's limit, parameters and
operations.
"""

from collections.abc import Callable

import needs
import torch
from conftest import CONTEXT
from harness import SEED, settings, stepper
from limits import AT_LIMITS, Needs, limits
from pytest_benchmark.fixture import BenchmarkFixture
from sizes import every_size, sized
from tables import Table

from zoo.data.corpus import Corpus
from zoo.models.build import count_parameters
from zoo.models.interface import SequenceModel
from zoo.sampling import generate
from zoo.training.evaluation import evaluate

CPU = torch.device("cpu")
BATCH_SIZE = 128
STREAMS, LENGTH = 32, 32
"""Number of streams, and tokens of each, in generation."""
TABLE = Table("every model: a call", "benchmark", *AT_LIMITS, "of the limit", "tokens/s", "parameters")


def measure(
    benchmark: BenchmarkFixture,
    call: Callable[[], object],
    *,
    model: SequenceModel,
    needed: Needs,
    tokens: float,
    rounds: int,
) -> None:
    """Time `call`, and report rates from its median in the table and in --benchmark-json."""
    benchmark.pedantic(call, rounds=rounds, warmup_rounds=max(1, rounds // 10), iterations=1)
    seconds, parameters = benchmark.stats.stats.median, count_parameters(model)
    share = limits().share(needed, seconds)
    benchmark.extra_info.update(
        tokens_per_second=tokens / seconds, limit_share=share, parameters=parameters, flops=needed.flops
    )
    cells = limits().cells(needed, seconds)
    case = benchmark.name.removeprefix("bench_")
    TABLE.add(case, *cells, f"{share:.1%}", f"{tokens / seconds:,.0f}", f"{parameters:,}")


@every_size
def bench_train(benchmark: BenchmarkFixture, corpus: Corpus, name: str, size: str) -> None:
    """Time one step of the loop: draw a batch, forward, backward, clip, update."""
    model = sized(name, size, vocab_size=len(corpus.vocabulary), context=CONTEXT)
    rows = corpus.rows("train", length=64, device=CPU)
    needed = needs.of_training(model, [rows.batch(SEED, step, BATCH_SIZE) for step in range(10)])
    measure(
        benchmark,
        stepper(model, rows, settings(BATCH_SIZE)),
        model=model,
        needed=needed,
        tokens=corpus.row_targets(64) * BATCH_SIZE,
        rounds=50,
    )


@every_size
def bench_evaluate(benchmark: BenchmarkFixture, corpus: Corpus, name: str, size: str) -> None:
    """Time the whole validation split, every token once."""
    model = sized(name, size, vocab_size=len(corpus.vocabulary), context=CONTEXT)
    rows = corpus.rows("validation", length=64, device=CPU)
    measure(
        benchmark,
        lambda: evaluate(model, rows, device=CPU),
        model=model,
        needed=needs.of_evaluation(model, rows),
        tokens=rows.targets,
        rounds=10,
    )


@every_size
def bench_generate(benchmark: BenchmarkFixture, corpus: Corpus, name: str, size: str) -> None:
    """Time 32 streams of 32 tokens, through `prefill` and `step`."""
    model = sized(name, size, vocab_size=len(corpus.vocabulary), context=CONTEXT)
    prompt = torch.empty(0, dtype=torch.long)
    measure(
        benchmark,
        lambda: generate(model, prompt, count=STREAMS, length=LENGTH, stops=False),
        model=model,
        needed=needs.of_generation(model, streams=STREAMS, length=LENGTH),
        tokens=STREAMS * LENGTH,
        rounds=10,
    )
