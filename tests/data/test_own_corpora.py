"""Corpora of users: a file, a registered function, and the errors of wrong ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from registry import ProviderError
from zoo.blame import StrangerError
from zoo.catalog import CORPORA
from zoo.data.corpus import Corpus
from zoo.data.source import Source
from zoo.errors import DataError

Load = Callable[..., Corpus]

MINE = """
from functools import partial
from zoo import Source

def load(*, count: int = 40):
    return Source("mine", ["ab" * (1 + number % 3) for number in range(count)])

def lazy():
    return Source("lazy", (word for word in ["ab", "cd"] * 20))

class Loader:
    pass

forty = partial(load, count=40)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture
def load_floor(load: Load) -> Callable[[list[float]], dict[str, float | None]]:
    """Return the floor of a corpus whose every split has these log probabilities."""

    def floor(nats: list[float]) -> dict[str, float | None]:
        CORPORA.register("floored")(lambda: Source("floored", ["ab", "cd"] * 15, lambda documents: nats))
        try:
            return load("floored").floor
        finally:
            CORPORA.unregister("floored")

    return floor


def test_a_file_is_a_corpus_with_options(load: Load, mine: Path) -> None:
    assert load(f"{mine}:load", {"count": 30}).summary().startswith("mine: 30 documents")
    assert load(f"{mine}:forty").summary().startswith("mine: 40 documents")


def test_a_registered_function_is_a_corpus(load: Load) -> None:
    CORPORA.register("laughs")(lambda: Source("laughs", ["ha" * (1 + number % 7) for number in range(50)]))
    try:
        assert load("laughs").summary().startswith("laughs: 50 documents")
    finally:
        CORPORA.unregister("laughs")


def test_a_class_is_no_corpus(load: Load, mine: Path) -> None:
    with pytest.raises(ProviderError, match=r"is not a function that returns a zoo\.Source"):
        load(f"{mine}:Loader")


def test_documents_that_can_be_read_only_once_are_refused(load: Load, mine: Path) -> None:
    with pytest.raises(DataError, match="gave its documents as a generator, not as a list"):
        load(f"{mine}:lazy")


@pytest.mark.parametrize(
    ("nats", "said"),
    [
        ([-1.0], "gives 1 numbers for 24 documents"),
        ([-1.0] * 23 + [float("-inf")], "gives -inf for one of 24 documents"),
        ([float("nan")] * 24, "gives nan for one of 24 documents"),
        ([2.5] * 24, "gives 2.5 for one of 24 documents"),
    ],
)
def test_a_floor_that_cannot_be_one_is_refused(
    nats: list[float], said: str, load_floor: Callable[[list[float]], object]
) -> None:
    with pytest.raises(DataError, match=said):
        load_floor(nats)


def test_a_mistake_in_a_corpus_is_told_with_its_line_alone(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("def load(*, count: int = 3):\n    return [text for text in range(count)][count]\n")
    with pytest.raises(StrangerError) as error:
        load(f"{file}:load", {"count": 2})
    first, line = str(error.value).splitlines()
    assert first == f"Corpus '{file}:load' failed to load: IndexError: list index out of range"
    assert line == "  broken.py, line 2, in load: return [text for text in range(count)][count]"
