"""Fixtures of all benchmarks: two corpora, fresh models, options; and the tables at the end."""

from collections.abc import Callable, Iterator

import pytest
import torch
from tables import TABLES

from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.errors import DataError
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel

CONTEXT = 8
THREADS = 2

Fresh = Callable[..., SequenceModel]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Use one number of threads for all, the default of `compare`."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The embedded corpus, which needs no file and no network."""
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 8_000})))


@pytest.fixture(scope="session")
def names(corpus: Corpus) -> Corpus:
    """The 32,033 names, from ZOO_DATA, the cache or the network; else the embedded corpus."""
    try:
        return load_corpus(DataConfig(corpus=Call(name="names")))
    except DataError:
        return corpus


@pytest.fixture
def fresh(corpus: Corpus) -> Fresh:
    """Build a registered model with its default options."""

    def make(name: str, *, context: int = CONTEXT) -> SequenceModel:
        model = MODELS.get(name)
        size = len(corpus.vocabulary)
        return build(model, model_config(model, {}, name), vocab_size=size, context=context, seed=1)

    return make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--turns", type=int, default=7, help="Turns of each side where two are timed side by side. [7]")
    parser.addoption("--full", action="store_true", help="Run the lecture's 200,000 steps instead of timing some.")


@pytest.fixture
def turns(pytestconfig: pytest.Config) -> int:
    """Number of times each side is timed."""
    return int(pytestconfig.getoption("turns"))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the benchmarks' tables below pytest-benchmark's own."""
    for table in TABLES:
        if lines := table.lines():
            terminalreporter.section(table.title)
            for line in lines:
                terminalreporter.write_line(line)
