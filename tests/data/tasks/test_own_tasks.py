"""A task of one's own, from a file: it trains like every other, and what does not fit is told in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.blame import StrangerError
from zoo.data.corpus import Corpus
from zoo.data.task import BLOCK, TRAIN, Documents, Goal, Line, Task
from zoo.errors import DataError, UsageError
from zoo.experiments.judge.solved import parse_goal
from zoo.tokens import IGNORED

Load = Callable[..., Corpus]
MINE = """
import numpy as np
from zoo.data.task import Documents, Goal, Line, Task

def load(*, length: int = 6, seed: int = 0):
    def draw(generator, count):
        bits = generator.integers(2, size=(count, length), dtype=np.int8)
        return 1 + bits, (1 + bits.cumsum(axis=1) % 2).astype(np.int32)
    return Task("mine", "ab", length, draw, Line(0.68, None), goal=Goal("accuracy", 0.9), documents=20, seed=seed)

def raises():
    return Task("mine", "ab", 6, lambda generator, count: 1 / 0, Line(0.68, None))
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_a_file_has_a_task_with_options(load: Load, mine: Path) -> None:
    corpus = load(f"{mine}:load", {"length": 5})
    assert corpus.task_length == 5
    assert corpus.has_answers
    assert "mine.py:load(length=5): documents of 5 tokens, 5 of them scored" in corpus.summary()
    assert "20 each for validation and test; floor 0 (100% right), without memory 0.68" in corpus.summary()
    assert corpus.digest != load(f"{mine}:load", {"length": 5, "seed": 1}).digest
    assert corpus.digest == load(f"{mine}:load", {"length": 5}).digest


def test_whole_numbers_of_any_width_are_tokens_and_targets(load: Load, mine: Path) -> None:
    batch = load(f"{mine}:load").rows("train", length=6).batch(0, 0, 300)
    assert batch.tokens.dtype == batch.targets.dtype == torch.long
    assert ((batch.tokens - 1).cumsum(1) % 2 == batch.targets - 1).all()


def test_bad_options_and_errors_of_a_file_are_told(load: Load, mine: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown option 'lenght'\. Its options: length, seed\.$"):
        load(f"{mine}:load", {"lenght": 5})
    with pytest.raises(StrangerError, match="failed to load: ZeroDivisionError: division by zero"):
        load(f"{mine}:raises")


def make(**changed: Any) -> Task:
    """Parity of 6 bits, with some arguments changed."""

    def draw(generator: np.random.Generator, count: int) -> Documents:
        bits = generator.integers(2, size=(count, 6))
        return Documents(1 + bits, 1 + bits.cumsum(axis=1) % 2)

    arguments = {"name": "mine", "symbols": "01", "length": 6, "draw": draw, "memoryless": Line(0.68, None)}
    return Task(**(arguments | changed))


def give(tokens: object, targets: object) -> Callable[[object, int], tuple[Any, Any]]:
    """A draw that gives the same document always."""
    return lambda _, count: ([tokens] * count, [targets] * count)


def restless(generator: np.random.Generator, count: int) -> Documents:
    tokens = np.random.default_rng().integers(1, 3, size=(count, 6))
    return Documents(tokens, tokens)


def predict(share: float, width: int = 3) -> Callable[[Any], Any]:
    """An oracle that gives every token this probability."""
    return lambda tokens: np.full((*tokens.shape, width), share)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"symbols": "10"}, "symbols must be different characters in ascending order"),
        ({"symbols": "00"}, "symbols must be different characters in ascending order"),
        ({"symbols": "0"}, "one symbol is always right: give two or more"),
        ({"draw": give([0, 1], [1, 1]), "length": 2}, "tokens and targets must be 1 to 2"),
        ({"draw": give([1, 1], [IGNORED, 3]), "length": 2}, "tokens and targets must be 1 to 2"),
        ({"draw": give([1, 1], [IGNORED, IGNORED]), "length": 2}, "a document has no scored token"),
        ({"length": 5}, r"draw gives shapes \(256, 6\) and \(256, 6\), not \(256, 5\)"),
        ({"draw": give([1, 1], [1]), "length": 2}, r"draw gives shapes \(256, 2\) and \(256, 1\), not \(256, 2\)"),
        ({"draw": give([1.0, 1.5], [1, 1]), "length": 2}, "draw gives float64 and int64, not tokens and targets as"),
        ({"draw": lambda _, count: (np.ones((count, 6), int),)}, "draw gives int64, not tokens and targets as whole"),
        ({"draw": restless}, "draw gives other documents the second time: it must depend on its generator alone"),
        ({"documents": 0}, "documents=0 must be 1 or more"),
        ({"memoryless": Line(0.0, None)}, r"a loss of 0\.0000, and one without memory of 0\.0000: that must be more"),
        ({"memoryless": Line(float("nan"), None)}, "line 'memoryless' has a loss of nan"),
        ({"floor": Line(0.7, None)}, r"a loss of 0\.7000, and one without memory of 0\.6800: that must be more"),
        ({"oracle": predict(1 / 3)}, r"a loss of 1\.0986, and one without memory of 0\.6800: that must be more"),
        ({"oracle": predict(0.5, 2)}, r"oracle gives shape \(8, 6, 2\) for tokens of shape \(8, 6\), not \(8, 6, 3\)"),
        ({"oracle": predict(0.5)}, "probabilities of oracle must be 0 or more and add up to 1"),
        ({"oracle": predict(float("nan"))}, "probabilities of oracle must be 0 or more and add up to 1"),
        ({"oracle": lambda tokens: np.eye(3)[np.full(tokens.shape, 0)]}, "oracle gives a target the probability 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_contradicts_itself_is_told_in_one_line(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=f"^Task 'mine': .*{said}") as caught:
        make(**changed)
    assert "\n" not in str(caught.value)


def test_an_oracle_that_is_sure_of_every_answer_has_the_floor_zero() -> None:
    def answer(tokens: Any) -> Any:
        return np.eye(3)[1 + (tokens - 1).cumsum(axis=1) % 2]

    task = make(oracle=answer)
    assert task.best == Line(0.0, 1.0)
    assert task.block(TRAIN, 0, 0).tokens.shape == (BLOCK, 6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"goal": Goal("excess", -1.0)}, "is none: give answers, accuracy or excess"),
     ({"goal": Goal("best", 0.5)}, "is none: give answers, accuracy or excess"),  # type: ignore[arg-type]
     ({"lines": {"odd": Line(float("nan"), None)}}, "line 'odd' has a loss of nan"),
     ({"memoryless": Line(1.0, 1.5)}, "an accuracy of 1.5")],
)  # fmt: skip
def test_goals_and_lines_that_are_none_are_told(changes: dict[str, Any], said: str) -> None:
    def draw(generator: np.random.Generator, count: int) -> Documents:
        tokens = generator.integers(1, 3, size=(count, 4))
        return Documents(tokens, tokens)

    with pytest.raises(DataError, match=said):
        Task(**{"name": "odd", "symbols": "ab", "length": 4, "draw": draw, "memoryless": Line(0.6, 0.5)} | changes)


@pytest.mark.parametrize("value", [1e-5, 0.99999999, 0.99, 1.0])
def test_a_goal_is_written_as_it_is(value: float) -> None:
    assert parse_goal(str(Goal("excess", value))).value == value
