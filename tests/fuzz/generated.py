"""Generate unexpected values and changes of valid input, and set the number of inputs."""

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = 5
INPUTS = int(os.environ.get("ZOO_FUZZ", "2000"))
"""Total number of inputs; each of the five tests takes an equal share."""

TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "\x1b[2J", "\0", "\ud800", "a" * 3000, "..", "/etc/passwd", "-", "names", "1e999", "nan", "0x" + "f" * 5000]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([-1, 0, 1, 2**31, 2**63, -(2**63), 10**18, 10**400, 10**4000, 5e-324, 1e308, 1e-46])
)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXT


def nest(value: Any, depth: int) -> Any:
    """Nest a value in `depth` lists."""
    for _ in range(depth):
        value = [value]
    return value


VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=6
) | st.builds(nest, PLAIN, st.sampled_from([1, 50, 250]))
"""Values of JSON, and more."""


def generate(*strategies: Any) -> Callable[[Any], Any]:
    """Decorate a test to run on its share of the inputs, which in the slow tier are the same each time."""

    def decorate(test: Any) -> Any:
        limited = settings(
            max_examples=INPUTS // TARGETS,
            deadline=None,
            database=None,
            derandomize=INPUTS <= 2000,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        return pytest.mark.timeout(0)(pytest.mark.slow(limited(given(*strategies)(test))))

    return decorate


def _list_places(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value of a JSON document, and last the path to the document itself."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from _list_places(value, (*place, key))
    yield place


Change = Callable[[bytes], bytes]


def change_document(pick: int, change: Callable[[Any, Any], object]) -> Change:
    """Change one value of a JSON document: the one whose index is `pick` modulo the number of values."""

    def apply(data: bytes) -> bytes:
        document = json.loads(data)
        places = list(_list_places(document))
        *way, last = places[pick % max(1, len(places) - 1)] or (None,)
        table = document
        for key in way:
            table = table[key]
        if last is not None:  # None for a document without keys
            change(table, last)
        return json.dumps(document).encode()

    return apply


def set_to(value: Any) -> Callable[[Any, Any], object]:
    return lambda table, key: table.__setitem__(key, value)


def remove(table: Any, key: Any) -> None:
    del table[key]


def add(name: str, value: Any) -> Callable[[Any, Any], object]:
    return lambda table, key: table.update({name: value}) if isinstance(table, dict) else table.append(value)


def scale(factor: float) -> Callable[[Any, Any], object]:
    """Multiply a number by a factor."""

    def change(table: Any, key: Any) -> None:
        if isinstance(table[key], int | float) and not isinstance(table[key], bool) and abs(table[key]) < 1e300:
            table[key] = type(table[key])(table[key] * factor)

    return change


PICKS = st.integers(0, 10_000)
SCALES = st.sampled_from([0.0, -1.0, 1e-300, 1e-12, 0.5, 2.0, 1e9, 1e15])
CHANGES = VALUES.map(set_to) | st.just(remove) | st.builds(add, TEXT, VALUES) | SCALES.map(scale)
DOCUMENT_CHANGES = st.builds(change_document, PICKS, CHANGES)
"""Functions from bytes to bytes that change one value of a JSON document."""


def damage_bytes(data: bytes, seed: int) -> bytes:
    """Cut, flip, repeat or remove a stretch of bytes."""
    draw = random.Random(seed)
    start = draw.randrange(len(data) + 1)
    end = min(len(data), start + draw.choice([1, 2, 10, 1000]))
    middle = draw.choice([b"", bytes(draw.randrange(256) for _ in range(end - start)), data[start:end] * 3])
    return data[:start] + middle + (b"" if draw.random() < 0.2 else data[end:])
