"""Time `check NAME --context 512` for every model, without imports. The target is 4 s each."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met

from zoo.catalog import MODELS
from zoo.conformance.contract import check_model

CONTEXT, VOCABULARY, MOST = 512, 27, 4.0
TABLE = Table(f"the contract at context {CONTEXT}", "model", "seconds", f"target {MOST:g} s")


@pytest.mark.parametrize("name", MODELS.names())
def bench_check(benchmark: BenchmarkFixture, name: str) -> None:
    """Time all checks of one model, as `python cli.py check` runs them."""
    document = benchmark.pedantic(
        lambda: check_model(name, context=CONTEXT, vocab_size=VOCABULARY), rounds=3, warmup_rounds=1
    )
    assert document["passed"]
    seconds = benchmark.stats.stats.median
    TABLE.add(name, duration(seconds), met(seconds <= MOST))
