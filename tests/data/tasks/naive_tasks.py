"""Every task from its definition: what answers follow from the text of one document, in plain Python.

`SMALL` are settings at which few documents suffice; `ANSWERS` are functions (text, options) -> answers, "_" where
nothing is scored, which also check that the text is a document of the task.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from zoo.catalog import CORPORA
from zoo.data.task import BLOCK, LETTERS, TRAIN, Documents, Task
from zoo.tokens import IGNORED

Options = dict[str, Any]
SMALL: dict[str, Options] = {
    "adding": {"length": 8, "levels": 4},
    "copy": {"length": 5, "copied": 3, "symbols": 4},
    "dyck": {"kinds": 3, "depth": 3, "length": 12},
    "group": {"of": "A5", "length": 4},
    "induction": {"length": 7, "symbols": 4},
    "markov": {"order": 3, "symbols": 3, "length": 8},
    "memorize": {"keys": 6, "values": 4, "length": 11, "apart": 1},
    "modular": {"modulus": 3, "resets": 0.1, "length": 20},
    "parity": {"length": 6},
    "recall": {"pairs": 3, "queries": 2, "length": 14, "keys": 5, "values": 6, "power": 0.5, "noise": 2},
    "regular": {"automata": 3, "states": 2, "symbols": 4, "choices": 2, "length": 5},
    "selective-copy": {"length": 8, "copied": 3, "symbols": 4},
}
"""Small settings of every task."""
COUNTED = 20_000
"""Documents on which losses are measured."""


def load_task(name: str, **options: Any) -> Task:
    """Load a task, with its small settings unless others are given."""
    return load_usual(name, **(SMALL[name] | options))


def load_usual(name: str, **options: Any) -> Task:
    """Load a task, with its defaults unless others are given."""
    task = CORPORA.get(name)(**options)
    assert isinstance(task, Task)
    return task


def draw(task: Task, count: int = COUNTED, seed: int = 0) -> Documents:
    """Draw `count` training documents of a seed."""
    blocks = [task.block(TRAIN, seed, number) for number in range(-(-count // BLOCK))]
    return Documents(*(np.concatenate(part)[:count] for part in zip(*blocks, strict=True)))


def write(task: Task, documents: Documents) -> list[tuple[str, str]]:
    """Write documents and their answers as text, "_" where nothing is scored."""
    signs = "!" + task.symbols
    return [
        ("".join(signs[token] for token in tokens), "".join("_" if it == IGNORED else signs[it] for it in targets))
        for tokens, targets in zip(documents.tokens.tolist(), documents.targets.tolist(), strict=True)
    ]


def add(text: str, options: Options) -> str:
    numbers, levels = [LETTERS.index(sign) for sign in text[:-1]], options["levels"]
    marked = [place for place, number in enumerate(numbers) if number >= levels]
    assert text[-1] == "/"
    assert len(marked) == 2
    assert marked[0] < len(numbers) // 2 <= marked[1]
    return "_" * len(numbers) + LETTERS[sum(numbers[place] - levels for place in marked)]


def copy(text: str, options: Options) -> str:
    copied, length = options["copied"], options["length"]
    symbols = text[:copied]
    assert set(symbols) <= set(LETTERS[: options["symbols"]])
    assert text[copied:] == "." * (length - 1) + "/" + "." * copied
    return "_" * (length + copied) + symbols


def close_brackets(text: str, options: Options) -> str:
    opened: list[str] = []
    answers = ""
    for sign in text:
        if sign.isupper():
            opened.append(sign)
            answers += "_"
        else:
            assert opened.pop() == sign.upper()
            answers += opened[-1].lower() if opened else "_"
        assert len(opened) <= options["depth"]
    return answers


def multiply(text: str, options: Options) -> str:
    of = options["of"]
    if of.startswith("Z"):
        total, order, answers = 0, int(of[1:]), ""
        for sign in text:
            total = (total + LETTERS.index(sign)) % order
            answers += LETTERS[total]
        return answers
    elements = [one for one in sorted(permutations("abcde")) if of == "S5" or count_transpositions(one) % 2 == 0]
    product, answers = "abcde", ""
    for sign in text:
        element = dict(zip("abcde", elements[LETTERS.index(sign)], strict=True))
        product = "".join(element[letter] for letter in product)  # first all before, then this one
        answers += LETTERS[elements.index(tuple(product))]
    return answers


def count_transpositions(permutation: tuple[str, ...]) -> int:
    """Count the swaps that sort a permutation."""
    letters, swaps = list(permutation), 0
    for place, letter in enumerate("abcde"):
        if letters[place] != letter:
            other = letters.index(letter)
            letters[place], letters[other] = letters[other], letters[place]
            swaps += 1
    return swaps


def follow(text: str, options: Options) -> str:
    assert text.count(text[-1]) == 2
    return "_" * (len(text) - 1) + text[text.index(text[-1]) + 1]


def count_modulo(text: str, options: Options) -> str:
    total, answers = 0, ""
    for sign in text:
        total = 0 if sign == "*" else (total + LETTERS.index(sign)) % options["modulus"]
        answers += LETTERS[total]
    return answers


def count_ones(text: str, options: Options) -> str:
    return "".join(str(text[: place + 1].count("1") % 2) for place in range(len(text)))


def look_up(text: str, options: Options) -> str:
    keys, values, pairs = options["keys"], options["values"], options["pairs"]
    noise = LETTERS[keys + values :][:8] if options["noise"] else ""
    begins, known, place = 2 * pairs + options["noise"], {}, 0
    while place < begins:
        if text[place] not in noise:
            key, value = text[place : place + 2]
            assert key in LETTERS[:keys]
            assert value in LETTERS[keys : keys + values]
            assert key not in known
            known[key] = value
            place += 1
        place += 1
    questions = text[begins:].replace(".", "")
    assert len(known) == len(set(known.values())) == pairs
    assert len(questions) == len(set(questions)) == (options["queries"] or pairs)
    return "_" * begins + "".join(known[sign] if sign != "." else "_" for sign in text[begins:])


def copy_selected(text: str, options: Options) -> str:
    length, copied = options["length"], options["copied"]
    symbols = text[:length].replace(".", "")
    assert len(symbols) == copied
    assert set(symbols) <= set(LETTERS[: options["symbols"]])
    assert text[length:] == "/" * copied
    return "_" * length + symbols


ANSWERS: dict[str, Callable[[str, Options], str]] = {
    "adding": add,
    "copy": copy,
    "dyck": close_brackets,
    "group": multiply,
    "induction": follow,
    "modular": count_modulo,
    "parity": count_ones,
    "recall": look_up,
    "selective-copy": copy_selected,
}
