"""What every benchmark shares: a corpus, fresh models, and tokens a second in the report."""

from collections.abc import Callable, Iterator

import pytest
import torch
from tables import tables

from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus, load_corpus
from zoo.models.build import build, model_config
from zoo.models.interface import SequenceModel

CONTEXT = 8
THREADS = 2

Fresh = Callable[..., SequenceModel]


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The same number of threads for all, as `compare` has by default."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The embedded corpus: no file, no network."""
    return load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 8_000})))


@pytest.fixture
def fresh(corpus: Corpus) -> Fresh:
    """A registered model with its default options."""

    def make(name: str, *, context: int = CONTEXT) -> SequenceModel:
        model = MODELS.get(name)
        size = len(corpus.vocabulary)
        return build(model, model_config(model, {}, name), vocab_size=size, context=context, seed=1)

    return make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tokens a second, which the table of times does not show, and the tables of the other benchmarks."""
    session = getattr(terminalreporter.config, "_benchmarksession", None)
    cases = [(case.name, case.extra_info, case.stats.median) for case in session.benchmarks] if session else []
    plain = {name: facts.get("tokens_per_second") for name, facts, _ in cases if "table" not in facts}
    if plain:
        terminalreporter.section("tokens per second (median)")
    for name, rate in sorted(plain.items()):
        terminalreporter.write_line(f"{name:<40} {rate:>12,.0f}" if rate else name)
    for title, lines in tables([(facts, seconds) for _, facts, seconds in cases if "table" in facts]):
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)
