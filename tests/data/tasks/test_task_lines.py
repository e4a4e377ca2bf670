"""Every line of a task is what a predictor reaches that knows exactly what the line says, and the floor the best one.

A predictor is a table from what it knows to probabilities of answers, estimated on documents of another seed.
"""

from collections.abc import Callable, Iterator
from itertools import product
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from naive_tasks import COUNTED, SMALL, draw, load_task
from numpy.typing import NDArray

from zoo.data.task import PLACED, TEST, VALIDATION, Array, Documents, Line, Task
from zoo.tokens import IGNORED

Known = Callable[[Array], Array]
"""Tokens (D, T) -> numbers (D, T), equal where a predictor knows the same."""

RARE = 1e-4
"""Error by events that are too rare to occur in any document."""


def measure(known: Known, task: Task, count: int = COUNTED) -> tuple[Line, Line]:
    """Return what the best table from the known to answers reaches, and four standard errors of it.

    Errors include that of the table's estimate, of one nat for each of its cells by all answers.
    """
    (table_tokens, table_targets), (tokens, targets) = draw(task, count, seed=1), draw(task, count, seed=2)
    both, inverse = np.unique(np.concatenate([known(table_tokens), known(tokens)]), return_inverse=True)
    numbers = inverse.reshape(-1, task.length)
    counts = np.full((len(both), task.vocab_size), 1e-9)
    scored = table_targets != IGNORED
    np.add.at(counts, (numbers[: len(table_tokens)][scored], table_targets[scored]), 1)
    cells = int((counts > 0.5).sum())
    likeliest = counts.argmax(axis=1)
    shares = (counts + 0.01 * (counts.sum(axis=0) > 1)) / (counts + 0.01 * (counts.sum(axis=0) > 1)).sum(axis=1)[
        :, None
    ]
    scored, own = targets != IGNORED, numbers[len(table_tokens) :]
    nats, right = np.zeros(targets.shape), np.zeros(targets.shape)
    nats[scored] = -np.log(shares[own[scored], targets[scored]])
    right[scored] = likeliest[own[scored]] == targets[scored]
    errors = [4 * standard_error(values, scored) for values in (nats, right)]
    every = scored.sum()
    return Line(nats.sum() / every, right.sum() / every), Line(errors[0] + cells / every + RARE, errors[1] + RARE)


def standard_error(values: NDArray[np.float64], scored: NDArray[np.bool_]) -> float:
    """Standard error of the mean over scored tokens, of independent documents."""
    apart = (values - values.sum() / scored.sum()) * scored
    return float(apart.sum(axis=1).std() * sqrt(len(values)) / scored.sum())


def assert_near(found: Line, line: Line, errors: Line) -> None:
    assert abs(found.loss - line.loss) < errors.loss
    if line.accuracy is not None:
        assert found.accuracy is not None
        assert errors.accuracy is not None
        assert abs(found.accuracy - line.accuracy) < errors.accuracy


def current(tokens: Array) -> Array:
    return tokens


def window(width: int) -> Known:
    """The last `width` tokens, fewer at the start."""

    def number(tokens: Array) -> Array:
        base, found = int(tokens.max()) + 1, np.zeros_like(tokens)
        for back in range(width):
            found[:, back:] += tokens[:, : tokens.shape[1] - back] * base**back
        return found

    return number


def count_since_reset(width: int) -> Known:
    """All that matters of `width` tokens of `modular`: their count, and whether a reset or the start is there."""

    def number(tokens: Array) -> Array:
        found = np.zeros_like(tokens)
        for row, text in enumerate(tokens.tolist()):
            for place in range(len(text)):
                seen = text[max(0, place + 1 - width) : place + 1]
                known = len(seen) < width or 1 in seen
                after = seen[len(seen) - seen[::-1].index(1) :] if 1 in seen else seen
                found[row, place] = 2 * (sum(token - 2 for token in after) % 3) + known
        return found

    return number


def first_marked(tokens: Array) -> Array:
    """The first marked number of `adding`, with 4 levels."""
    found = np.zeros_like(tokens)
    found[:] = tokens[np.arange(len(tokens)), (tokens >= 6).argmax(axis=1)][:, None]
    return found


def counts_of_symbols(tokens: Array) -> Array:
    """How often each of the 4 symbols of `induction` occurs, and which the last is."""
    found = sum((tokens == symbol).sum(axis=1) * 8**symbol for symbol in range(1, 5)) * 5 + tokens[:, -1]
    return np.repeat(np.asarray(found)[:, None], tokens.shape[1], axis=1)


def seen_values(tokens: Array) -> Array:
    """Which of the 6 values of `recall` the document has."""
    found = sum((tokens == 7 + value).any(axis=1) * 2**value for value in range(6))
    return np.repeat(np.asarray(found)[:, None], tokens.shape[1], axis=1)


def place_and_token(tokens: Array) -> Array:
    """The current token, and its position."""
    return tokens * tokens.shape[1] + np.arange(tokens.shape[1])


LINES: dict[str, dict[str, Known]] = {
    "adding": {"one number known": first_marked},
    "induction": {"symbols counted, order unknown": counts_of_symbols},
    "markov": {"window of 2": window(2)},
    "modular": {PLACED: place_and_token, "window of 4": window(4), "window of 16": count_since_reset(16)},
    "parity": {PLACED: place_and_token},
    "recall": {"values seen, binding unknown": seen_values},
}
"""Task -> line -> what its predictor knows."""
MORE: list[tuple[str, dict[str, Any]]] = [
    ("group", {"of": "Z2"}),
    ("dyck", {"depth": 2, "length": 5}),
    ("memorize", {"keys": 9, "values": 2}),
    ("modular", {"resets": 0.0, "length": 5}),
    ("modular", {"modulus": 2, "resets": 0.7, "length": 17}),
    ("recall", {"pairs": 1, "queries": 1, "keys": 1, "noise": 0, "power": 3.0}),
    ("regular", {"automata": 5, "states": 3, "symbols": 4, "choices": 1}),
    ("markov", {"order": 2, "concentration": 0.02}),
    ("markov", {"order": 6, "symbols": 2, "concentration": 0.01}),
]


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in SMALL if name != "group"), *MORE], ids=lambda value: str(value)
)
def test_the_best_table_of_the_current_token_reaches_the_memoryless_line(name: str, options: dict[str, Any]) -> None:
    task = load_task(name, **options)
    assert_near(*put(task.memoryless, measure(current, task)))


def put(line: Line, measured: tuple[Line, Line]) -> tuple[Line, Line, Line]:
    """Arguments of `assert_near`."""
    return measured[0], line, measured[1]


@pytest.mark.parametrize("of", ["A5", "S5", "Z60"])
def test_without_memory_a_product_is_the_current_element_more_often_than_others(of: str) -> None:
    """Its table has too many cells to be estimated."""
    task = load_task("group", of=of)
    tokens, targets = draw(task)
    order = task.vocab_size - 1
    nats = -np.log(np.where(tokens == targets, 1 / 4 + 3 / 4 / order, 3 / 4 / order))
    errors = Line(*(4 * standard_error(values, targets > 0) for values in (nats, (tokens == targets).astype(float))))
    assert_near(Line(nats.mean(), (tokens == targets).mean()), task.memoryless, errors)
    assert (tokens[:, 0] == targets[:, 0]).all()  # where the position is known, the first product is
    later = np.bincount(targets[:, 1:].ravel(), minlength=order + 1)[1:]  # and all others are any element
    assert np.abs(later - later.mean()).max() < 5 * sqrt(later.mean())
    assert task.lines[PLACED] == pytest.approx(Line(0.75 * log(order), 0.25 + 0.75 / order))


@pytest.mark.parametrize("name", SMALL)
def test_every_line_is_measured_here_or_exact(name: str) -> None:
    exact = {"automaton given"} | ({PLACED} if name == "group" else set())
    assert set(load_task(name).lines) - exact == set(LINES.get(name, {}))


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, lines in LINES.items() for line in lines])
def test_a_predictor_that_knows_what_a_line_says_reaches_it(name: str, line: str) -> None:
    task = load_task(name)
    count = 4000 if line == "window of 16" else COUNTED
    found, errors = measure(LINES[name][line], task, count)
    assert_near(found, task.lines[line], errors)


@pytest.mark.parametrize("name", SMALL)
def test_lines_lie_between_the_floor_and_the_memoryless_line(name: str) -> None:
    task = load_task(name)
    for line in task.lines.values():
        assert line.loss < task.memoryless.loss
        assert line.loss > task.best.loss or "given" in str(task.lines)
    assert task.best.loss < task.memoryless.loss


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("markov", "regular")])
def test_the_floor_is_zero_where_answers_follow_from_tokens(name: str) -> None:
    task = load_task(name)
    assert task.best == task.measure_floor(task.held_out(VALIDATION)) == Line(0.0, 1.0)


# markov: a loop over contexts, in float64


def make_source(order: int, symbols: int, concentration: float) -> dict[tuple[int, ...], NDArray[np.float64]]:
    """The probabilities of the next symbol after each context, drawn as the task says: seed 0."""
    drawn = np.random.default_rng([0, order, symbols]).dirichlet([concentration] * symbols, size=symbols**order)
    contexts = product(range(symbols), repeat=order)
    return {context: (row + 1e-6) / (row + 1e-6).sum() for context, row in zip(contexts, drawn, strict=True)}


def settle(source: dict[tuple[int, ...], NDArray[np.float64]]) -> dict[tuple[int, ...], float]:
    """How often each context occurs, by squaring the matrix of transitions."""
    contexts = list(source)
    matrix = np.array([[source[a][b[-1]] if a[1:] == b[:-1] else 0.0 for b in contexts] for a in contexts])
    for _ in range(60):
        matrix = matrix @ ((matrix + np.eye(len(contexts))) / 2)
        matrix /= matrix.sum(axis=1, keepdims=True)
    return dict(zip(contexts, matrix.mean(axis=0).tolist(), strict=True))


SOURCES = [(2, 3, 0.3), (3, 3, 0.3), (4, 2, 1.0), (2, 3, 0.01), (6, 2, 0.01), (3, 4, 0.05)]


@pytest.mark.parametrize(("order", "symbols", "concentration"), SOURCES)
def test_windows_of_a_markov_source_have_the_entropy_of_sums_over_contexts(
    order: int, symbols: int, concentration: float
) -> None:
    task = load_task("markov", order=order, symbols=symbols, concentration=concentration)
    source = make_source(order, symbols, concentration)
    shares = settle(source)
    for width in range(1, order + 1):
        joint: dict[tuple[int, ...], NDArray[np.float64]] = {}
        for context, share in shares.items():
            joint[context[-width:]] = joint.get(context[-width:], 0) + share * source[context]
        entropy = -sum(float((row * np.log(row / row.sum())).sum()) for row in joint.values())
        right = sum(float(row.max()) for row in joint.values())
        line = task.memoryless if width == 1 else task.floor if width == order else task.lines[f"window of {width}"]
        assert line == pytest.approx(Line(entropy, right), abs=1e-8)


@pytest.mark.parametrize(("order", "symbols", "concentration"), SOURCES)
def test_a_markov_source_predicts_by_its_last_symbols_alone(order: int, symbols: int, concentration: float) -> None:
    task = load_task("markov", order=order, symbols=symbols, concentration=concentration, length=order + 5)
    assert task.oracle
    source, tokens = make_source(order, symbols, concentration), draw(task, 100).tokens
    predicted = task.oracle(tokens)
    for row, text in enumerate(tokens.tolist()):
        for place in range(order - 1, task.length):
            context = tuple(token - 1 for token in text[place + 1 - order : place + 1])
            np.testing.assert_allclose(predicted[row, place], [0, *source[context]], atol=1e-12)


@pytest.mark.parametrize(("order", "symbols", "concentration"), SOURCES)
def test_documents_of_a_markov_source_begin_as_they_go_on(order: int, symbols: int, concentration: float) -> None:
    task = load_task("markov", order=order, symbols=symbols, concentration=concentration)
    assert task.oracle
    assert task.floor
    tokens, targets = draw(task)
    nats, scored = score(task, Documents(tokens, targets)), targets != IGNORED
    errors = 4 * standard_error(nats, scored) + RARE
    assert abs(nats.sum() / scored.sum() - task.floor.loss) < errors
    for symbol in range(1, symbols + 1):  # at every place as often as at all
        share, everywhere = (tokens == symbol).mean(axis=0), (tokens == symbol).mean()
        assert np.abs(share - everywhere).max() < 5 * sqrt(0.25 / len(tokens))


def score(task: Task, documents: Documents) -> NDArray[np.float64]:
    """(D, T) nats of the oracle; 0 where nothing is scored."""
    assert task.oracle
    scored = documents.targets != IGNORED
    predicted = np.take_along_axis(task.oracle(documents.tokens), np.maximum(documents.targets, 0)[:, :, None], axis=2)
    return -np.log(np.where(scored, predicted[:, :, 0], 1.0))


# regular: a loop over automata, in float64


class Automaton:
    """One automaton of the pool of seed 0, drawn as the task says."""

    def __init__(self, number: int, automata: int, states: int, symbols: int, choices: int) -> None:
        pool = np.random.default_rng([0, automata, states, symbols, choices])
        ranks = pool.random((automata, states, symbols)).argsort(axis=2)[number]
        self.following = pool.integers(states, size=(automata, states, symbols))[number]
        self.possible = [set(rank[:choices].tolist()) for rank in ranks]
        self.choices = choices

    def predict(self, text: tuple[int, ...]) -> tuple[float, NDArray[np.float64]]:
        """The probability of a text, and of the symbols that can follow it."""
        state, likelihood = 0, 1.0
        for symbol in text:
            likelihood *= (symbol in self.possible[state]) / self.choices
            state = self.following[state, symbol]
        return likelihood, np.array(
            [(s in self.possible[state]) / self.choices for s in range(self.following.shape[1])]
        )


POOLS = [(3, 2, 3, 2, 5), (1, 4, 4, 2, 4), (6, 1, 4, 2, 3), (4, 3, 4, 3, 4)]


def predict_next(pool: list[Automaton], text: tuple[int, ...]) -> NDArray[np.float64]:
    """Bayes mixture of a pool after a text."""
    found = [automaton.predict(text) for automaton in pool]
    return sum(weight * row for weight, row in found) / sum(weight for weight, _ in found)  # type: ignore[return-value]


def make_pool(automata: int, states: int, symbols: int, choices: int) -> list[Automaton]:
    return [Automaton(number, automata, states, symbols, choices) for number in range(automata)]


@pytest.mark.parametrize(("automata", "states", "symbols", "choices", "length"), POOLS)
def test_the_mixture_of_automata_is_that_of_a_loop_over_texts(
    automata: int, states: int, symbols: int, choices: int, length: int
) -> None:
    options = {"automata": automata, "states": states, "symbols": symbols, "choices": choices, "length": length}
    task, pool = load_task("regular", **options), make_pool(automata, states, symbols, choices)
    assert task.oracle
    tokens = draw(task, 100).tokens
    predicted = task.oracle(tokens)
    for row, text in enumerate(tokens.tolist()):
        for place in range(length):
            expected = predict_next(pool, tuple(token - 1 for token in text[: place + 1]))
            np.testing.assert_allclose(predicted[row, place], [0, *expected], atol=1e-12)


def every_text(pool: list[Automaton], symbols: int, length: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every text that the pool can write, with its probability."""
    for text in product(range(symbols), repeat=length):
        chance = sum(automaton.predict(text)[0] for automaton in pool) / len(pool)
        if chance:
            yield text, chance


@pytest.mark.parametrize(("automata", "states", "symbols", "choices", "length"), POOLS)
def test_lines_of_a_pool_of_automata_are_sums_over_all_texts(
    automata: int, states: int, symbols: int, choices: int, length: int
) -> None:
    options = {"automata": automata, "states": states, "symbols": symbols, "choices": choices, "length": length}
    task, pool = load_task("regular", **options), make_pool(automata, states, symbols, choices)
    joint, floor = np.zeros((symbols, symbols)), 0.0
    for text, chance in every_text(pool, symbols, length + 1):
        for place in range(length):
            joint[text[place], text[place + 1]] += chance / length
            floor -= chance / length * log(predict_next(pool, text[: place + 1])[text[place + 1]])
    conditional = joint / joint.sum(axis=1, keepdims=True).clip(min=1e-12)
    entropy = -sum(joint[i, j] * log(conditional[i, j]) for i, j in zip(*joint.nonzero(), strict=True))
    assert task.memoryless == pytest.approx(Line(entropy, joint.max(axis=1).sum()), abs=1e-9)
    assert task.lines["automaton given"] == pytest.approx(Line(log(choices), 1 / choices), abs=1e-9)
    documents = draw(task)
    nats = score(task, documents)
    assert abs(nats.mean() - floor) < 4 * standard_error(nats, documents.targets != IGNORED) + 1e-9


@pytest.mark.parametrize("name", ["markov", "regular"])
def test_the_floor_of_a_split_is_the_loss_of_the_best_predictor_on_its_documents(name: str) -> None:
    task = load_task(name, documents=600)
    for split in (VALIDATION, TEST):
        documents = task.held_out(split)
        nats = score(task, documents)
        scored = documents.targets != IGNORED
        assert task.measure_floor(documents).loss == pytest.approx(nats.sum() / scored.sum(), rel=1e-12)
    assert task.oracle
    right = (task.oracle(documents.tokens).argmax(axis=2) == documents.targets)[scored].mean()
    assert task.measure_floor(documents).accuracy == pytest.approx(right, rel=1e-12)
