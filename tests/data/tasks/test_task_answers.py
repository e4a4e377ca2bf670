"""The answers of every task follow from its definition, and from nothing that stands at or after the question."""

from typing import Any

import numpy as np
import pytest
from naive_tasks import ANSWERS, SMALL, draw, load_task, load_usual, write
from numpy.typing import NDArray

from zoo.catalog import CORPORA
from zoo.data.task import TEST, TRAIN, Task
from zoo.tokens import IGNORED

OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("adding", {"length": 3, "levels": 2}),
    ("copy", {"length": 1, "copied": 1, "symbols": 2}),
    ("dyck", {"kinds": 2, "depth": 2, "length": 3}),
    ("group", {"of": "S5", "length": 9}),
    ("group", {"of": "Z60", "length": 9}),
    ("group", {"of": "Z2", "length": 2}),
    ("induction", {"length": 4, "symbols": 3}),
    ("modular", {"modulus": 2, "resets": 0.0, "length": 2}),
    ("parity", {"length": 2}),
    ("recall", {"pairs": 1, "queries": 1, "length": 3, "keys": 1, "values": 2, "noise": 0}),
    ("recall", {"pairs": 5, "queries": None, "length": 60, "keys": 5, "values": 5, "noise": 30}),
    ("selective-copy", {"length": 3, "copied": 3, "symbols": 2}),
]
"""The least settings of every task, and some more."""
DETERMINED = [name for name in SMALL if name not in ("markov", "regular")]


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in ANSWERS), *OTHERS], ids=str)
def test_the_answers_are_those_of_a_loop_over_one_document(name: str, options: dict[str, Any]) -> None:
    task = load_task(name, **options)
    for text, answers in write(task, draw(task, 2000)):
        assert ANSWERS[name](text, SMALL[name] | options) == answers


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answers_of_usual_settings_are_those_of_a_loop_over_one_document(name: str) -> None:
    task = load_usual(name)
    options = CORPORA.get(name).__kwdefaults__ or {}
    for text, answers in write(task, draw(task, 300)):
        assert ANSWERS[name](text, options) == answers


@pytest.mark.parametrize(("length", "apart"), [(11, 1), (9, 0), (7, 5)])
def test_memorize_asks_for_the_same_value_of_a_key_in_all_documents(length: int, apart: int) -> None:
    task = load_task("memorize", length=length, apart=apart)
    keys, values, dictionary = task.symbols[2:8], task.symbols[8:], dict[str, str]()
    for split in (TRAIN, TEST):
        for text, answers in write(task, task.block(split, 0, 0)):
            for place in range(0, length - apart - 1, apart + 2):
                question, answer = text[place : place + apart + 2], answers[place : place + apart + 2]
                assert question[1:] == "." * apart + "/"
                assert question[0] in keys
                assert answer[:-1] == "_" * (apart + 1)
                assert answer[-1] in values
                assert dictionary.setdefault(question[0], answer[-1]) == answer[-1]
    assert len(dictionary) == 6


@pytest.mark.parametrize("name", ["markov", "regular"])
def test_sources_ask_for_the_next_token_of_one_text(name: str) -> None:
    task = load_task(name)
    tokens, targets = draw(task, 1000)
    scored = targets[:, :-1] != IGNORED
    assert (targets[:, :-1] == tokens[:, 1:])[scored].all()
    assert task.is_next_token
    first = 2 if name == "markov" else 0  # as many tokens must stand before a target as the order
    assert (targets[:, first:] != IGNORED).all()
    assert (targets[:, :first] == IGNORED).all()


@pytest.mark.parametrize("name", DETERMINED)
def test_a_task_other_than_a_source_never_asks_for_the_next_token_alone(name: str) -> None:
    assert not load_task(name).is_next_token


def guess(shown: NDArray[np.int64], answers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Loss on the second half of the documents of the table shown -> answer that the first half gives, smoothed."""
    half, most = len(shown) // 2, answers.max() + 1
    counts = np.full((shown.max() + 1, most), 0.5)
    np.add.at(counts, (shown[:half], answers[:half]), 1)
    table = counts / counts.sum(axis=1, keepdims=True)
    return -np.log(table[shown[half:], answers[half:]])


def find_leak(task: Task) -> float:
    """Return the largest gain, in standard errors, of showing one later token, or whether the answer stands later.

    It is measured at every scored position by itself, against a table that is shown the current token alone, so that
    nothing before the position can help either.
    """
    tokens, targets = draw(task)
    gains = [0.0]
    for place in range(task.length - 1):
        documents = targets[:, place] != IGNORED
        if documents.sum() < 1000:
            continue
        now, answers = tokens[documents, place], targets[documents, place]
        later = tokens[documents, place + 1 :]
        counts = [(later == symbol).sum(axis=1).clip(max=2) for symbol in range(1, task.vocab_size)]
        for shown in [*later.T, *counts]:
            gain = guess(now, answers) - guess(now * (task.vocab_size + 1) + shown, answers)
            gains.append(float(gain.mean() / (gain.std() + 1e-9) * np.sqrt(len(gain))))
    return max(gains)


@pytest.mark.parametrize("name", [name for name in DETERMINED if name != "dyck"])
def test_no_answer_follows_from_what_stands_at_or_after_its_question(name: str) -> None:
    """Of dyck the rest of the document shows it, because the bracket closes there; a causal model does not see it."""
    options = {"of": "Z2"} if name == "group" else {}
    assert find_leak(load_task(name, **options)) < 4.5


def test_an_answer_that_stands_after_its_question_is_found() -> None:
    assert find_leak(load_task("dyck")) > 20
