"""How long the contract takes to check: `check NAME --context 512`, in a process that has imported everything.

Every model is checked as `python cli.py check` does. The target is 4 s for each.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tables import Table, duration, met

from zoo.catalog import MODELS
from zoo.conformance.contract import check_model

CONTEXT, VOCABULARY, MOST = 512, 27, 4.0
TABLE = Table(f"the contract at context {CONTEXT}", "model", "seconds", f"target {MOST:g} s")


@pytest.mark.parametrize("name", MODELS.names())
def bench_check(benchmark: BenchmarkFixture, name: str) -> None:
    """All checks of one model."""
    document = benchmark.pedantic(
        lambda: check_model(name, context=CONTEXT, vocab_size=VOCABULARY), rounds=3, warmup_rounds=1
    )
    assert document["passed"]
    seconds = benchmark.stats.stats.median
    TABLE.add(name, duration(seconds), met(seconds <= MOST))
